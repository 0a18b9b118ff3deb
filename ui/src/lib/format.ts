// How numbers, times and identities are written.

/** Four digits that count, as people compare them. */
export function number(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '';
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString('en');
  const small = value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e7);
  return small ? value.toExponential(digits - 1) : Number(value.toPrecision(digits)).toLocaleString('en', { maximumSignificantDigits: digits });
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (value < 90) return `${number(value, 3)} s`;
  const minutes = Math.round(value / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

export function time(text: string | null | undefined): string {
  return text ? new Date(text).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' }) : '';
}

/** The beginning of an id or hash. */
export function short(id: string | null | undefined, length = 12): string {
  return id ? (id.length > length ? `${id.slice(0, length)}…` : id) : '';
}

export function words(name: string | null | undefined): string {
  return (name ?? '').replaceAll('_', ' ').toLowerCase();
}
