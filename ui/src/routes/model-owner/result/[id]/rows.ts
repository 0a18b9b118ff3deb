// A person's table as rows for a model: texts as the file has them, which the service reads and refuses as it does
// those of any other caller. Nothing is turned into a number here.
import Papa from 'papaparse';
import { Failure } from '$lib/api/client';
import { t } from '$lib/texts';

export interface Feature {
  name?: string;
  col_idx?: number;
  description?: string;
  range?: [number, number];
  categories?: (string | number)[];
}

/** Rows of a CSV file with the model's columns, in any order and beside others; or of a JSON file, a list. Throws Failure. */
export async function rowsOf(file: File, features: Feature[]): Promise<unknown[]> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Failure(t.predictions.notText(file.name));
  }
  const rows = file.name.toLowerCase().endsWith('.json') ? listed(text, file.name) : tabled(text, file.name, features);
  if (rows.length === 0) throw new Failure(t.predictions.noRows(file.name));
  return rows;
}

function listed(text: string, name: string): unknown[] {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    read = undefined;
  }
  if (!Array.isArray(read)) throw new Failure(t.predictions.notList(name));
  return read;
}

function tabled(text: string, name: string, features: Feature[]): unknown[] {
  const read = Papa.parse<string[]>(text, { skipEmptyLines: true });
  const wrong = read.errors.find((error) => error.type !== 'Delimiter');
  if (wrong) throw new Failure(t.predictions.broken(name, (wrong.row ?? 0) + 1, wrong.message));
  const byName = features.every((feature) => feature.name !== undefined);
  const [first = [], ...others] = read.data;
  const header = first.map((one) => one.trim());
  const rows = byName ? others : read.data;
  const width = byName ? header.length : first.length;
  const places = features.map((feature) => {
    const wanted = byName ? feature.name!.trim() : t.result.columnNumber(feature.col_idx ?? 0);
    const found = byName ? header.flatMap((one, at) => (one === wanted ? [at] : [])) : [feature.col_idx ?? 0];
    if (found.length > 1) throw new Failure(t.predictions.twice(name, wanted));
    if (found[0] === undefined || found[0] >= width) throw new Failure(t.predictions.lacks(name, wanted, header.join(', ')));
    return found[0];
  });
  const short = rows.findIndex((row) => row.length !== width);
  if (short >= 0) throw new Failure(t.predictions.uneven(name, short + 1, rows[short]!.length, width));
  return rows.map((row) => places.map((at) => (row[at] === '' ? null : row[at])));
}
