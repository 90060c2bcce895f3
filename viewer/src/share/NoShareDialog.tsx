import { Dialog } from "../ui/Dialog";

/** Where the window cannot be loaded: the page behind it stays as it is. */
export function NoShareDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog open onClose={onClose} title="Share">
      <p>
        This window could not be loaded: the service did not answer, or the network was away for a moment. Once the
        service answers, <a href={location.href}>load the page again</a>; what it shows stands in its address.
      </p>
    </Dialog>
  );
}
