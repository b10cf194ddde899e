// One artifact, with the versions of its key beside it.
import { Link, useParams } from "@tanstack/react-router";
import { ArtifactData } from "../artifacts/ArtifactData";
import { useLive } from "../api/live";
import { useAnswer } from "../api/queries";
import type { Artifact } from "../api/schema";
import { Button, Empty, isMissing, Loading, ProblemBox, Time } from "../design/components";
import { usePages } from "../api/queries";
import { Markdown } from "../text/Markdown";

export default function ArtifactPage() {
  const { id } = useParams({ from: "/artifacts/$id" });
  const answer = useAnswer("GET /api/artifacts/{id}", { path: { id } }, { kinds: ["artifact"] });
  useLive(["artifact"]);
  if (isMissing(answer.error)) {
    return (
      <div className="content">
        <Empty title="There is no such artifact">
          <Link to="/artifacts" className="button">
            All artifacts
          </Link>
        </Empty>
      </div>
    );
  }
  const artifact = answer.data;
  if (artifact === undefined) {
    return <div className="content">{answer.error === null ? <Loading /> : <ProblemBox error={answer.error} />}</div>;
  }
  return (
    <div className="content">
      <div className="page-head">
        <h1>{artifact.key ?? `${artifact.type} without a key`}</h1>
        <Origin artifact={artifact} />
      </div>
      {artifact.description !== null && <Markdown text={artifact.description} under={1} />}
      <section className="card" aria-label="Artifact">
        <div className="card-body">
          <ArtifactData artifact={artifact} under={1} />
        </div>
      </section>
      {artifact.key !== null && <Versions of={artifact.key} shown={artifact.id} />}
    </div>
  );
}

function Origin({ artifact }: { artifact: Artifact }) {
  return (
    <span className="row wrap muted">
      {artifact.type}, <Time at={artifact.updated} />
      {artifact.task_run_id !== null && (
        <Link to="/task-runs/$id" params={{ id: artifact.task_run_id }}>
          its task run
        </Link>
      )}
      {artifact.flow_run_id !== null && (
        <Link to="/runs/$id" params={{ id: artifact.flow_run_id }}>
          its flow run
        </Link>
      )}
    </span>
  );
}

function Versions({ of, shown }: { of: string; shown: string }) {
  const versions = usePages("GET /api/artifacts", { query: { key: of, limit: 50 } }, { kinds: ["artifact"] });
  return (
    <section className="card">
      <div className="card-head">
        <h2>Versions</h2>
      </div>
      <div className="table-wrap">
        <table className="table">
          <thead>
            <tr>
              <th>Made</th>
              <th>Flow run</th>
            </tr>
          </thead>
          <tbody>
            {versions.items.map((version) => (
              <tr key={version.id}>
                <td>
                  <Link
                    to="/artifacts/$id"
                    params={{ id: version.id }}
                    aria-current={version.id === shown ? "true" : undefined}
                  >
                    <Time at={version.created} />
                  </Link>
                  {version.id === shown && <span className="muted"> · shown</span>}
                </td>
                <td>
                  {version.flow_run_id === null ? (
                    <span className="muted">–</span>
                  ) : (
                    <Link to="/runs/$id" params={{ id: version.flow_run_id }}>
                      Open the run
                    </Link>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {versions.hasNextPage && (
        <div className="card-body">
          <Button onClick={() => void versions.fetchNextPage()}>More</Button>
        </div>
      )}
    </section>
  );
}
