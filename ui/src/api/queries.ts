// How answers are kept: each query names the kinds of things that it shows, and is asked again when one of them changes.
import { keepPreviousData, QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type Answer, call, type Operation, type Options, Problem } from "./client";

export type Kind = "flow-run" | "task-run" | "log" | "artifact" | "variable" | "concurrency-limit" | "event";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Events say when something changed; asking again for any other reason is noise.
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      retry: (count, error) => count < 4 && error instanceof Problem && (error.status === 0 || error.status >= 502),
      retryDelay: (count) => Math.min(4_000, 400 * 2 ** count),
    },
  },
});

interface Extra {
  kinds?: Kind[];
  enabled?: boolean;
  /** Show the answer to the former question until the new one is there. */
  keep?: boolean;
}

/** Ask once, and again when what it shows has changed. */
export function useAnswer<K extends Operation>(operation: K, options: Options<K>, extra: Extra = {}) {
  return useQuery({
    queryKey: [operation, options],
    queryFn: ({ signal }) => call(operation, { ...options, signal }),
    meta: { kinds: extra.kinds ?? [] },
    enabled: extra.enabled ?? true,
    ...(extra.keep === true ? { placeholderData: keepPreviousData } : {}),
  });
}

type Paged = {
  [K in Operation]: Answer<K> extends { items: unknown[]; next_cursor: string | null } ? K : never;
}[Operation];
export type Item<K extends Paged> = Answer<K> extends { items: (infer T)[] } ? T : never;

/** Ask for a list page by page. */
export function usePages<K extends Paged>(operation: K, options: Options<K>, extra: Extra = {}) {
  const query = useInfiniteQuery({
    queryKey: [operation, "pages", options],
    queryFn: ({ signal, pageParam }) => {
      const given = options as { query?: object };
      const asked = pageParam === null ? given.query : { ...given.query, cursor: pageParam };
      return call(operation, { ...options, query: asked, signal } as Options<K>);
    },
    initialPageParam: null as string | null,
    getNextPageParam: (last) => (last as { next_cursor: string | null }).next_cursor,
    meta: { kinds: extra.kinds ?? [] },
    enabled: extra.enabled ?? true,
    ...(extra.keep === true ? { placeholderData: keepPreviousData } : {}),
  });
  const items = (query.data?.pages ?? []).flatMap((page) => (page as unknown as { items: Item<K>[] }).items);
  return { ...query, items };
}
