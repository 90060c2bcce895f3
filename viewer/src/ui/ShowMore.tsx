interface More {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

/** Below a list of which there is another page. */
export function ShowMore({ of, children = "Show more" }: { of: More; children?: string }) {
  if (!of.hasNextPage) return null;
  return (
    <p className="choices more">
      <button type="button" disabled={of.isFetchingNextPage} onClick={() => of.fetchNextPage()}>
        {of.isFetchingNextPage ? "loading…" : children}
      </button>
    </p>
  );
}
