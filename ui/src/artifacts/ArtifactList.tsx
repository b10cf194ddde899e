// The artifacts of a run, one below the other.
import { Link } from "@tanstack/react-router";
import type { Query } from "../api/client";
import { usePages } from "../api/queries";
import type { Artifact } from "../api/schema";
import { Button, Empty, Loading, ProblemBox, Time } from "../design/components";
import { Markdown } from "../text/Markdown";
import { ArtifactData } from "./ArtifactData";

export function ArtifactList({ query }: { query: Query<"GET /api/artifacts"> }) {
  const artifacts = usePages("GET /api/artifacts", { query: { ...query, limit: 50 } }, { kinds: ["artifact"] });
  if (artifacts.error !== null) return <ProblemBox error={artifacts.error} retry={() => void artifacts.refetch()} />;
  if (artifacts.data === undefined) return <Loading />;
  if (artifacts.items.length === 0) return <NoArtifacts />;
  return (
    <div className="stack">
      {artifacts.items.map((artifact) => (
        <article className="card" key={artifact.id}>
          <div className="card-head">
            <ArtifactTitle artifact={artifact} />
            <span className="muted small">
              {artifact.type} · <Time at={artifact.updated} />
            </span>
          </div>
          <div className="card-body stack">
            {artifact.description !== null && <Markdown text={artifact.description} under={2} />}
            <ArtifactData artifact={artifact} under={2} />
          </div>
        </article>
      ))}
      {artifacts.hasNextPage && (
        <Button disabled={artifacts.isFetchingNextPage} onClick={() => void artifacts.fetchNextPage()}>
          More
        </Button>
      )}
    </div>
  );
}

export function ArtifactTitle({ artifact }: { artifact: Artifact }) {
  return (
    <h2 className="clip">
      <Link to="/artifacts/$id" params={{ id: artifact.id }} className="title-link">
        {artifact.key ?? `${artifact.type} without a key`}
      </Link>
    </h2>
  );
}

export function NoArtifacts() {
  return (
    <Empty title="No artifacts yet">
      <p className="muted">
        A flow or a task leaves them for people to look at: <code>create_markdown_artifact("# Report", key="report")</code>
      </p>
    </Empty>
  );
}
