/** Times as people read them, in UTC or where they are. */

export type Zone = "utc" | "local";

const two = (number: number) => String(number).padStart(2, "0");

interface Parts {
  date: string;
  clock: string;
  millis: string;
}

function parts(time: string | number, zone: Zone): Parts {
  const at = new Date(time);
  const utc = zone === "utc";
  const year = utc ? at.getUTCFullYear() : at.getFullYear();
  const month = (utc ? at.getUTCMonth() : at.getMonth()) + 1;
  const day = utc ? at.getUTCDate() : at.getDate();
  const hour = utc ? at.getUTCHours() : at.getHours();
  const minute = utc ? at.getUTCMinutes() : at.getMinutes();
  const second = utc ? at.getUTCSeconds() : at.getSeconds();
  return {
    date: `${year}-${two(month)}-${two(day)}`,
    clock: `${two(hour)}:${two(minute)}:${two(second)}`,
    millis: String(at.getUTCMilliseconds()).padStart(3, "0"),
  };
}

/** `2026-08-01 10:00:00.123` */
export function dateTime(time: string | number, zone: Zone): string {
  const { date, clock, millis } = parts(time, zone);
  return `${date} ${clock}.${millis}`;
}

/** `08-01 10:00:00.123`: the year is hardly ever the question. */
export function rowTime(time: string | number, zone: Zone): string {
  return dateTime(time, zone).slice(5);
}

/** `10:00:00.123` */
export function clock(time: string | number, zone: Zone): string {
  return dateTime(time, zone).slice(11);
}

/** `2026-08-01 10:00` */
export function minute(time: string | number, zone: Zone): string {
  return dateTime(time, zone).slice(0, 16);
}

export function zoneName(zone: Zone, at = new Date()): string {
  if (zone === "utc") return "UTC";
  const ahead = -at.getTimezoneOffset();
  const sign = ahead < 0 ? "−" : "+";
  const hours = Math.floor(Math.abs(ahead) / 60);
  return `UTC${sign}${two(hours)}:${two(Math.abs(ahead) % 60)}`;
}

/** `12 ms`, `1.204 s`, `3 m 07 s`, `2 h 05 m`, `4 d 03 h` */
export function span(ms: number): string {
  if (ms < 0) return `-${span(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(3)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} m`;
  return `${Math.floor(seconds / 86_400)} d ${two(Math.floor((seconds % 86_400) / 3600))} h`;
}

/** `just now`, `3 m 07 s ago`, `in 4 m 00 s` for a clock that is ahead. */
export function ago(time: string | number, now: number): string {
  const passed = now - new Date(time).getTime();
  if (passed < -1000) return `in ${span(-passed).replace(/\.\d+/, "")}`;
  return passed < 1000 ? "just now" : `${span(passed).replace(/\.\d+/, "")} ago`;
}
