import { t } from '$lib/texts';

// A spec in the words of who decides about it. The service has checked it; here it is only shown.

interface Column {
  name?: string;
  col_idx?: number;
  type?: string;
  description?: string;
  range?: number[];
  categories?: unknown[];
}
type Said = Record<string, unknown> | null | undefined;
const MOST_VALUES = 40;

function shown(column: Column): string {
  const name = column.name ?? t.result.columnNumber(column.col_idx ?? 0);
  const held = column.categories ?? column.range ?? [];
  const values = held.slice(0, MOST_VALUES).join(column.categories ? ` ${t.consent.or} ` : ' … ');
  const more = held.length > MOST_VALUES ? ' …' : '';
  return `${name}: ${column.type ?? ''} ${values}${more}${column.description ? ` (${column.description})` : ''}`;
}

function props(spec: Said): { features?: Column[]; target?: Column; targets?: Column[] } {
  return (spec?.['data_props'] as object | undefined) ?? {};
}

export function columns(spec: Said): string[] {
  return (props(spec).features ?? []).map(shown);
}

export function targets(spec: Said): string[] {
  const { target, targets: several } = props(spec);
  return (several ?? (target ? [target] : [])).map(shown);
}

export function weights(training: Said): string {
  if (training?.['weights'] === 'shared_with_owners') return t.consent.weightsShown;
  return t.consent.weightsHidden(Number(training?.['reencrypt_every'] ?? 1));
}
