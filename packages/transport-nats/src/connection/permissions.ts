/** What the server permits this client to publish, as far as the server says so. */

import type { Warning } from '@busbar/api/transport';
import { denied } from '../errors.ts';
import { streamSubjects } from '../gate/stream-subjects.ts';
import type { Names } from './names.ts';
import type { ServerRequests } from './server-requests.ts';

interface UserInfo {
  readonly data?: {
    readonly permissions?: {
      readonly publish?: {
        readonly allow?: readonly string[] | undefined;
        readonly deny?: readonly string[] | undefined;
      };
    };
  };
}

/** The permissions of a user. A server that does not tell them permits everything for all this client knows. */
export class Permissions {
  readonly #allow: readonly string[];
  readonly #deny: readonly string[];

  constructor({ data }: UserInfo = {}) {
    const { allow, deny = [] } = data?.permissions?.publish ?? {};
    this.#allow = allow === undefined || allow.length === 0 ? ['>'] : allow;
    this.#deny = deny;
  }

  /** Asks the server. */
  static async read(requests: ServerRequests): Promise<Permissions> {
    return new Permissions(await requests.ask<UserInfo>('$SYS.REQ.USER.INFO'));
  }

  /** Whether all subjects may be published that `subject` stands for. */
  mayPublish(subject: string): boolean {
    return this.#allow.some((each) => covers(each, subject)) && !this.#deny.some((each) => overlaps(each, subject));
  }

  /** Throws PERMISSION_DENIED unless this client may publish `subject`. */
  assertMayPublish(subject: string): void {
    if (!this.mayPublish(subject)) throw denied({}, { operation: 'publish', subject });
  }

  /** Throws PERMISSION_DENIED unless this client may delete messages: nothing is to be deleted in part. */
  assertMayDelete({ queues, ledger }: Names): void {
    for (const stream of [queues, ledger]) this.assertMayPublish(`$JS.API.STREAM.PURGE.${stream}`);
  }

  /** Throws PERMISSION_DENIED unless this client may close and open the store: it is not to be closed in part. */
  assertMayMove(names: Names): void {
    const streams = streamSubjects(names).flatMap(({ stream }) => [`UPDATE.${stream}`, `PURGE.${stream}`]);
    const fence = names.fence(0);
    const paths = [...streams, `CREATE.${fence}`, `DELETE.${fence}`].map((path) => `$JS.API.STREAM.${path}`);
    for (const subject of [names.gate, `${names.imports(0)}.>`, ...paths]) this.assertMayPublish(subject);
  }

  /** Whether this client may delete what is settled. */
  mayMaintain({ queues, ledger }: Names): boolean {
    const needed = [`DIRECT.GET.${queues}`, `STREAM.PURGE.${queues}`, `STREAM.PURGE.${ledger}`];
    return needed.every((path) => this.mayPublish(`$JS.API.${path}`));
  }

  /** A warning for each thing that this client may not do. */
  lacks(names: Names): Warning[] {
    return rightsOf(names).flatMap(({ what, subjects }) => {
      const missing = subjects.filter((subject) => !this.mayPublish(subject));
      if (missing.length === 0) return [];
      const text = `This user may not ${what}: it lacks the permission to publish ${missing.join(', ')}.`;
      return { text, hint: 'Add it if this client needs it. The README has complete lists.' };
    });
  }
}

/** What clients do, and the subjects that they publish for it. */
function rightsOf(names: Names): { readonly what: string; readonly subjects: readonly string[] }[] {
  const { queues, ledger, topics, kv, prefix } = names;
  const api = (name: string, ...streams: readonly string[]): string[] =>
    streams.map((stream) => `$JS.API.${name}.${stream}`);
  const consume = (stream: string): string[] => [
    ...api('CONSUMER.CREATE', `${stream}.>`),
    ...api('CONSUMER.INFO', `${stream}.*`),
    ...api('CONSUMER.MSG.NEXT', `${stream}.*`),
  ];
  return [
    { what: 'send to every queue', subjects: [`${prefix}.q.>`, `${prefix}.s.>`] },
    {
      what: 'send to queues that remember ids for more than two minutes',
      subjects: [`${prefix}.i.>`, ...api('DIRECT.GET', queues)],
    },
    {
      what: 'receive from every queue',
      subjects: [...consume(queues), ...api('DIRECT.GET', ledger), `${prefix}.l.>`, `$JS.ACK.${queues}.>`],
    },
    { what: 'publish every event', subjects: [`${prefix}.t.>`, `${prefix}.e.>`] },
    { what: 'subscribe to events and bind queues', subjects: consume(topics) },
    { what: 'write every key', subjects: [names.kvSubject('v', '>'), names.kvSubject('t', '>')] },
    { what: 'read and watch keys', subjects: [...api('DIRECT.GET', kv), ...consume(kv)] },
    {
      what: 'look into queues: browse, count, export, cancel',
      subjects: [...api('DIRECT.GET', queues), ...api('STREAM.MSG.GET', queues)],
    },
    {
      what: 'delete handled messages, dead letters, queues and everything',
      subjects: [...api('STREAM.PURGE', queues, ledger, topics), ...api('STREAM.MSG.DELETE', queues)],
    },
    { what: 'create missing streams', subjects: [...api('STREAM.CREATE', queues, ledger, topics, kv), names.header] },
    { what: 'change how much history of topics is kept', subjects: api('STREAM.UPDATE', topics) },
  ];
}

/** Whether `pattern` matches everything that `subject` stands for. */
function covers(pattern: string, subject: string): boolean {
  const [wide, narrow] = [pattern.split('.'), subject.split('.')];
  for (const [index, token] of wide.entries()) {
    const other = narrow[index];
    if (other === undefined) return false;
    if (token === '>') return true;
    if (other === '>' || (token !== '*' && token !== other)) return false;
  }
  return wide.length === narrow.length;
}

/** Whether `pattern` matches something that `subject` stands for. */
function overlaps(pattern: string, subject: string): boolean {
  const [one, other] = [pattern.split('.'), subject.split('.')];
  for (let index = 0; index < Math.max(one.length, other.length); index += 1) {
    const [token, against] = [one[index], other[index]];
    if (token === undefined || against === undefined) return false;
    if (token === '>' || against === '>') return true;
    if (token !== '*' && against !== '*' && token !== against) return false;
  }
  return true;
}
