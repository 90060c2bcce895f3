const PATHS = {
  search: "M7 2a5 5 0 1 0 3 9l3.5 3.5 1-1L11 10A5 5 0 0 0 7 2Zm0 1.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7Z",
  menu: "M2 3.5h12V5H2zM2 7.2h12v1.5H2zM2 11h12v1.5H2z",
  close: "m4 3 4 4 4-4 1 1-4 4 4 4-1 1-4-4-4 4-1-1 4-4-4-4z",
  down: "M3.5 5.5 8 10l4.5-4.5 1 1L8 12 2.5 6.5z",
  left: "M10 3 5 8l5 5 1-1-4-4 4-4z",
  right: "m6 3 5 5-5 5-1-1 4-4-4-4z",
  plus: "M7.2 3h1.6v4.2H13v1.6H8.8V13H7.2V8.8H3V7.2h4.2z",
  minus: "M3 7.2h10v1.6H3z",
  copy: "M5 2h8v9h-1.5V3.5H5zM3 5h7v9H3zm1.5 1.5v6h4v-6z",
  pin: "M5 2h6v1.5l-1 1V8l2 2v1.5H8.8V15H7.2v-3.5H4V10l2-2V4.5l-1-1z",
  link: "M6.5 9.5a2.5 2.5 0 0 1 0-3.5l2-2A2.5 2.5 0 0 1 12 7.5l-1 1-1-1 1-1a1.1 1.1 0 0 0-1.5-1.5l-2 2a1.1 1.1 0 0 0 0 1.5zM9.5 6.5a2.5 2.5 0 0 1 0 3.5l-2 2A2.5 2.5 0 0 1 4 8.5l1-1 1 1-1 1a1.1 1.1 0 0 0 1.5 1.5l2-2a1.1 1.1 0 0 0 0-1.5z",
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  star: "m8 1.5 2 4.2 4.5.6-3.3 3.2.8 4.5-4-2.2L4 14l.8-4.5L1.5 6.3 6 5.7z",
  gear: "M7 1h2l.4 2 1.2.5L12.3 2.4l1.4 1.4-1.1 1.7.5 1.2 2 .4v2l-2 .4-.5 1.2 1.1 1.7-1.4 1.4-1.7-1.1-1.2.5-.4 2H7l-.4-2-1.2-.5-1.7 1.1-1.4-1.4 1.1-1.7-.5-1.2-2-.4v-2l2-.4.5-1.2L2.3 3.8l1.4-1.4 1.7 1.1L6.6 3zM8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z",
} as const;

/** A small picture; whoever uses it says in words what it means. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
