/** A dataset's card, as `GET /cards` and `GET /catalogue` show it once its owner's signature was verified. */
export interface Card {
  id: string;
  party: string;
  name: string;
  dataset: string;
  revision: number;
  not_after: string;
  title: string;
  description: string;
  tags: string[];
  columns: { name: string; type: string; description: string; range?: [number, number] | null; categories?: (string | number)[] | null }[];
  terms: string;
  size: string | null;
  visible_to: string[] | null;
}

/** A page of cards. `refused`: those that are not shown, and why they are not believed. */
export interface Cards {
  cards: Card[];
  refused: { signer: string; why: string }[];
  next: string | null;
}
