/** What to paste so that a first event comes: a snippet for every way in that the service has. */

export interface Intake {
  /** `https://logs.example.org`, without a slash at its end. */
  url: string;
  /** Of datagrams. */
  host: string;
  port: string;
}

export interface Snippet {
  name: string;
  text: string;
  note?: string;
}

interface Given {
  key: string;
  session: string;
  /** Web pages that the key is bound to. */
  origins: readonly string[];
  intake: Intake;
}

const EVERY_ADDRESS = ["0.0.0.0", "[::]", "::", "*", ""];
const LOOPBACK = /^(localhost|127\.|\[?::1\]?$)/;

/** Where senders reach the intake, as far as this page can know: `told` is what it listens on.
 *
 * Behind a proxy with TLS it has the name of this page; else its own port, on the host that this page came from when it
 * listens on all addresses.
 */
export function intakeOf(told: string, page: { protocol: string; host: string; hostname: string }): Intake {
  const [, listens = "", port = "7300"] = /^(.*):(\d+)$/.exec(told) ?? [];
  const host = EVERY_ADDRESS.includes(listens) || !LOOPBACK.test(page.hostname) ? page.hostname : listens;
  if (page.protocol === "https:") return { url: `https://${page.host}`, host, port };
  return { url: `http://${host}:${port}`, host, port };
}

/** For every protocol; a key that is bound to web pages works from them alone. */
export function snippets(given: Given): Snippet[] {
  return given.origins.length > 0 ? [web(given)] : [curl(given), send(given), python(given), udp(given), web(given)];
}

function event({ session }: Given, more: Record<string, string> = {}): Record<string, string> {
  return { session, key: "hello", value: "the first event", level: "info", component: "hello", ...more };
}

function curl(given: Given): Snippet {
  return {
    name: "HTTP (curl)",
    text: `curl -sS ${given.intake.url}/v1/events \\
  -H 'Authorization: Bearer ${given.key}' \\
  -d '${JSON.stringify(event(given))}'`,
    note: "An object, an array, or one object a line, up to 10,000 events a request.",
  };
}

function send(given: Given): Snippet {
  return {
    name: "logkeep send",
    text: `echo 'the first event' | LOGKEEP_KEY=${given.key} logkeep send \\
  --url ${given.intake.url} --session ${given.session} --component hello`,
    note: "Log files in ten formats, with --follow as they grow: logkeep send --follow /var/log/syslog.",
  };
}

function python(given: Given): Snippet {
  return {
    name: "Python",
    text: `import json, urllib.request

event = ${JSON.stringify(event(given))}
request = urllib.request.Request(
    "${given.intake.url}/v1/events",
    data=json.dumps(event).encode(),
    headers={"Authorization": "Bearer ${given.key}"},
)
print(urllib.request.urlopen(request, timeout=10).read().decode())`,
    note: "With the standard library alone.",
  };
}

function udp(given: Given): Snippet {
  const datagram = JSON.stringify(event(given, { app: given.key }));
  return {
    name: "UDP",
    text: `python3 -c 'import socket, sys
address = socket.getaddrinfo(sys.argv[1], sys.argv[2], type=socket.SOCK_DGRAM)[0]
socket.socket(address[0], socket.SOCK_DGRAM).sendto(sys.argv[3].encode(), address[4])' \\
  '${given.intake.host.replace(/^\[|\]$/g, "")}' ${given.intake.port} '${datagram}'`,
    note: "Never answered: what is wrong with a datagram is counted, and samples are among the rejected.",
  };
}

function web(given: Given): Snippet {
  return {
    name: "JavaScript",
    text: `await fetch("${given.intake.url}/v1/events", {
  method: "POST",
  headers: { Authorization: "Bearer ${given.key}" },
  body: JSON.stringify(${JSON.stringify(event(given))}),
});`,
    note: given.origins.length
      ? `In a page of ${given.origins.join(" or ")}; from elsewhere this key is refused.`
      : "In a web page, or with Node. A key that stands in a page anybody can read should be bound to it.",
  };
}
