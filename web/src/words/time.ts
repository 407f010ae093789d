const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const second = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });

export function date(at: string): string {
  return day.format(new Date(at));
}

export function dateAndTime(at: string): string {
  return minute.format(new Date(at));
}

export function clock(at: string): string {
  return second.format(new Date(at));
}

export function isToday(at: string): boolean {
  return new Date(at).toDateString() === new Date().toDateString();
}

export function isPast(at: string): boolean {
  return new Date(at).getTime() <= Date.now();
}
