/** Hand what a page made or was answered to the person before it, as a file. */
export function save(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A table as CSV (RFC 4180), its names first. What a spreadsheet would take for a formula begins with an apostrophe. */
export function csv(names: readonly string[], rows: readonly (readonly (string | number | null | undefined)[])[]): Blob {
  const cell = (value: string | number | null | undefined): string => {
    if (typeof value === 'number') return String(value);
    const text = /^[=+\-@\t\r]/.test(value ?? '') ? `'${value}` : (value ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [names, ...rows].map((row) => row.map(cell).join(','));
  return new Blob([lines.join('\n') + '\n'], { type: 'text/csv' });
}
