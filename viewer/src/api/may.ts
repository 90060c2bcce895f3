/** What whoever looks may do with the app that is shown; what they may not do is not offered. */
import { useMe } from "./me";
import { told } from "./told";

/** Whether they may change statuses, labels, rules and saved searches; false until that is known. */
export function useMayEdit(): boolean {
  const { data } = useMe();
  return data?.apps.find(({ app }) => app === told.app)?.scopes.includes("edit") ?? false;
}
