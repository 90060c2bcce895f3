/** Changes of settings: sent, then what shows them is read again. */
import { type QueryKey, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ApiError, asApiError, ask, type Parameters } from "../api/client";
import { isConflict } from "./faults";

/** What the API has at `path`, under a key that changes name. */
export function useRead<Answer>(path: string, parameters: Parameters = {}, enabled = true) {
  return useQuery({
    queryKey: keyOf(path, parameters),
    enabled,
    queryFn: ({ signal }) => ask<Answer>(path, parameters, signal),
    refetchOnWindowFocus: true,
    staleTime: 0, // of what was changed elsewhere, on another page or by somebody else, none is left
  });
}

export function keyOf(path: string, parameters: Parameters = {}): QueryKey {
  return ["settings", path, parameters];
}

export interface Change<Input, Output> {
  run: (input: Input, onDone?: (output: Output) => void) => void;
  isRunning: boolean;
  error: ApiError | null;
  /** Reads again what is on screen: after somebody else has changed it. */
  reload: () => void;
  /** What was refused is not said any more, for something else is typed now; that somebody was faster is. */
  forget: () => void;
}

/** `change`, and afterwards whatever of the settings is on screen is read again, with who may do what. */
export function useChange<Input, Output>(change: (input: Input) => Promise<Output>): Change<Input, Output> {
  const client = useQueryClient();
  const reload = () => {
    void client.invalidateQueries({ queryKey: ["settings"] });
    void client.invalidateQueries({ queryKey: ["me"] });
  };
  const mutation = useMutation({ mutationFn: change, onSuccess: reload });
  return {
    run: (input, onDone) => mutation.mutate(input, onDone ? { onSuccess: onDone } : {}),
    isRunning: mutation.isPending,
    error: mutation.error ? asApiError(mutation.error) : null,
    reload,
    forget: () => {
      if (mutation.error && !isConflict(asApiError(mutation.error))) mutation.reset();
    },
  };
}
