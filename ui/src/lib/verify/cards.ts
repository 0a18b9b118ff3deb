// Cards of datasets as a Facilitator keeps them: each is its own owner's word, or nobody's.
import type { Card } from '$lib/api/cards';
import type { components } from '$lib/api/facilitator';
import { fromHex, utf8 } from './bytes';
import { checkSignature } from './signatures';
import { Unverifiable } from './unverifiable';

/** A card that holds; or with why this browser cannot tell (`unchecked`), or why it does not (`wrong`). */
export interface OpenedCard {
  card?: Card;
  signer: string;
  unchecked?: string;
  wrong?: string;
}

export async function openCard(signed: components['schemas']['SignedDocument']): Promise<OpenedCard> {
  const signer = signed.signer;
  let card: Card | undefined;
  try {
    card = JSON.parse(signed.document) as Card;
    card = { ...card, description: card.description ?? '', tags: card.tags ?? [], columns: card.columns ?? [], terms: card.terms ?? '' };
    if (card.party !== signer) return { signer, wrong: `it is of ${card.party.slice(0, 16)}…` };
    await checkSignature(signer, 'card', utf8(signed.document), fromHex(signed.signature));
    return { card, signer };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return error instanceof Unverifiable && card ? { card, signer, unchecked: why } : { signer, wrong: why };
  }
}
