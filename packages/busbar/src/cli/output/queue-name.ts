/** Queues as people name them. */

/** What a queue is for. */
export type QueueKind = 'inbox' | 'subscription' | 'internal' | 'tasks';

export function kindOf(name: string): QueueKind {
  if (name.startsWith('$inbox.')) return 'inbox';
  if (name.startsWith('$sub.')) return 'subscription';
  return name.startsWith('$') ? 'internal' : 'tasks';
}

/** The name without the prefix of an inbox or of a subscription. */
export function shortName(name: string): string {
  return name.replace(/^\$(inbox|sub)\./, '');
}
