/** What whoever looks may do with the app that is shown; what they may not do is not offered. */
import { useMe } from "./me";
import { told } from "./told";

/** Whether they have the scope in this app; false until that is known. */
export function useMay(scope: string): boolean {
  const { data } = useMe();
  return data?.apps.find(({ app }) => app === told.app)?.scopes.includes(scope) ?? false;
}

/** Whether they may change statuses, labels, rules and saved searches. */
export function useMayEdit(): boolean {
  return useMay("edit");
}
