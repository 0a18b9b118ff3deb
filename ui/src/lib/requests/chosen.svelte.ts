import type { Card } from '$lib/api/cards';

/** Cards that a person has marked to ask for, kept between the screens until the page is loaded anew. */
class Chosen {
  cards = $state.raw<Card[]>([]);

  has(card: Card): boolean {
    return this.cards.some((one) => one.id === card.id);
  }

  /** Mark a card, or take its mark away. */
  turn(card: Card): void {
    this.cards = this.has(card) ? this.cards.filter((one) => one.id !== card.id) : [...this.cards, card];
  }
}

export const chosen = new Chosen();
