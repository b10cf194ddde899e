// The newest artifact of each key.
import { Link } from "@tanstack/react-router";
import { ArtifactData } from "../artifacts/ArtifactData";
import { NoArtifacts } from "../artifacts/ArtifactList";
import { useLive } from "../api/live";
import { usePages } from "../api/queries";
import { Button, Loading, ProblemBox, Time } from "../design/components";

export default function Artifacts() {
  const artifacts = usePages("GET /api/artifacts/latest", { query: { limit: 48 } }, { kinds: ["artifact"] });
  useLive(["artifact"]);
  return (
    <div className="content">
      <div className="page-head">
        <h1>Artifacts</h1>
      </div>
      <ProblemBox error={artifacts.error} retry={() => void artifacts.refetch()} />
      {artifacts.data === undefined && artifacts.error === null && <Loading />}
      {artifacts.data !== undefined && artifacts.items.length === 0 && <NoArtifacts />}
      <div className="artifact-grid">
        {artifacts.items.map((artifact) => (
          <article className="card artifact-card" key={artifact.id}>
            <div className="card-head">
              <h2 className="clip">
                <Link to="/artifacts/$id" params={{ id: artifact.id }} className="title-link">
                  {artifact.key}
                </Link>
              </h2>
              <span className="muted small">
                {artifact.type} · <Time at={artifact.updated} />
              </span>
            </div>
            <div className="card-body">
              <ArtifactData artifact={artifact} under={2} />
            </div>
          </article>
        ))}
      </div>
      {artifacts.hasNextPage && (
        <Button disabled={artifacts.isFetchingNextPage} onClick={() => void artifacts.fetchNextPage()}>
          More
        </Button>
      )}
    </div>
  );
}
