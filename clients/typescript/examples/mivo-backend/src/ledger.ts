// Who pays what. In memory, so that the example needs no database; what has to be one transaction there is said here.

export interface Booking {
  readonly generation: string;
  readonly user: string;
  readonly state: string;
  readonly charged: number;
  readonly refunded: number;
}

export class Ledger {
  private readonly handled = new Map<string, Promise<void>>();
  private readonly rows = new Map<string, Booking>();

  /**
   * Does the work of a webhook once, however often it comes, also when two arrive together; a repetition waits for the
   * first. When the work fails, it is forgotten, and the next delivery does it. In a database: `INSERT INTO
   * handled_webhooks (id) ... ON CONFLICT DO NOTHING`, and the work, in one transaction.
   */
  async once(webhookId: string, work: () => void | Promise<void>): Promise<void> {
    let doing = this.handled.get(webhookId);
    if (doing === undefined) {
      doing = Promise.resolve().then(work);
      this.handled.set(webhookId, doing);
      doing.catch(() => this.handled.delete(webhookId)); // whoever waits for it hears why
    }
    await doing;
  }

  book(booking: Booking): void {
    this.rows.set(booking.generation, booking);
  }

  of(user: string): Booking[] {
    return [...this.rows.values()].filter((row) => row.user === user);
  }
}
