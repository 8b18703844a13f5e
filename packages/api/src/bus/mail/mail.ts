/** Sends messages to the inboxes of agents. */

import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import { newId } from '../../contract/id.ts';
import type { MessageInput } from '../../contract/message.ts';
import { checkBoolean, checkText, describe } from '../../contract/validation.ts';
import { attemptsHeader } from '../consuming/failure.ts';
import type { Origin } from '../messages/causation.ts';
import { checkMessageType, type MessageDefinition } from '../messages/definitions.ts';
import { checkMessageOptions, MAIL_KEYS, type MailOptions, toBounds } from '../messages/message-options.ts';
import { checkRecipient, type Recipient } from '../messages/recipient.ts';
import { validateSent } from '../messages/schema.ts';
import type { Sent } from '../operations.ts';
import { inboxOf } from '../registry/agent-names.ts';
import { type LeastLoadedSelector, tryInOrder } from '../registry/least-loaded.ts';
import type { Registry } from '../registry/registry.ts';
import type { BusRuntime } from '../runtime.ts';

/** Options of a broadcast. */
export interface BroadcastOptions extends Omit<MailOptions, 'createInbox'> {
  /** Only to online agents with this capability. Default: to all registered agents. */
  readonly capability?: string | undefined;
  /** Whether the sender gets the message too. Default false. */
  readonly includeSelf?: boolean | undefined;
}

/** The result of a broadcast. */
export interface BroadcastResult {
  /** The id of the message in every inbox. */
  readonly id: string;
  /** The agents whose inboxes have it. */
  readonly to: readonly string[];
}

/** Sends messages to agents. */
export class Mail {
  readonly #runtime: BusRuntime;
  readonly #registry: Registry;
  readonly #selector: LeastLoadedSelector;

  constructor(runtime: BusRuntime, registry: Registry, selector: LeastLoadedSelector) {
    this.#runtime = runtime;
    this.#registry = registry;
    this.#selector = selector;
  }

  async send(
    origin: Origin,
    to: Recipient,
    type: string | MessageDefinition,
    body?: unknown,
    options?: MailOptions,
  ): Promise<Sent> {
    try {
      this.#runtime.assertSending();
      checkMessageOptions(options, MAIL_KEYS, 'send options');
      const name = typeof type === 'string' ? type : checkMessage(type);
      checkMessageType(name);
      checkRecipient(to);
      if (typeof type !== 'string') {
        const checked = validateSent(this.#runtime.bodyCodec, type.schema, body, `the body of ${name}`);
        if (checked !== undefined) await checked;
      }
      if (typeof to === 'string') return await this.#sendTo(origin, to, name, body, options);
      const targets = await this.#selector.select(to.capability);
      const hasNoInbox = ({ code }: BusbarError): boolean => code === 'NOT_FOUND';
      return await tryInOrder(targets, hasNoInbox, (one) => this.#sendTo(origin, one, name, body, options));
    } catch (error) {
      if (!isBusbarError(error)) throw error;
      throw error.code === 'NOT_FOUND'
        ? await this.#unknownAgent(to, error)
        : this.#runtime.withErrorContext(error, 'send');
    }
  }

  async broadcast(
    origin: Origin,
    type: string | MessageDefinition,
    body: unknown,
    options: BroadcastOptions = {},
  ): Promise<BroadcastResult> {
    this.#runtime.assertSending();
    checkMessageOptions(
      options,
      [...MAIL_KEYS.filter((key) => key !== 'createInbox'), 'capability', 'includeSelf'],
      'options',
    );
    checkText(options.capability, 'capability', 255);
    checkBoolean(options.includeSelf, 'includeSelf');
    const { capability, includeSelf = false, ...rest } = options;
    const all = await this.#selector.all(capability);
    const names = includeSelf ? all : all.filter((name) => name !== origin.from);
    const id = options.id ?? origin.cause?.nextId('broadcast', capability ?? '', undefined) ?? newId();
    const sent = await Promise.all(
      names.map((name) =>
        this.send(origin, name, type, body, { ...rest, id }).catch((error: unknown) => {
          if (isBusbarError(error) && error.code === 'NOT_FOUND') return undefined;
          throw error;
        }),
      ),
    );
    return { id, to: sent.flatMap((one) => one?.to ?? []) };
  }

  #sendTo(origin: Origin, to: string, type: string, body: unknown, options: MailOptions | undefined): Promise<Sent> {
    const internal = attemptsHeader(options?.maxAttempts);
    const draft = { kind: 'send', target: to, type, body, options, fields: { to }, internal } as const;
    return this.#runtime.sendOut(origin, draft, async (input: MessageInput) => {
      const bounds = { ...toBounds(options), create: options?.createInbox ?? false };
      return { ...(await this.#runtime.sendToQueue(inboxOf(to), input, bounds)), to };
    });
  }

  async #unknownAgent(to: Recipient, cause: BusbarError): Promise<BusbarError> {
    const name = typeof to === 'string' ? to : `with the capability ${to.capability}`;
    const nearest = await this.#registry.nearest(name);
    return new BusbarError('NOT_FOUND', `unknown agent ${name}`, {
      hint:
        nearest === undefined
          ? 'Use createInbox: true to store messages for an agent that does not exist yet.'
          : `Did you mean ${nearest}?`,
      operation: 'send',
      transport: this.#runtime.transport.name,
      cause,
    });
  }
}

function checkMessage(definition: MessageDefinition): string {
  if ((definition as MessageDefinition | undefined)?.kind === 'message') return definition.type;
  throw invalid(`illegal type: ${describe(definition)}`, 'Use a name or defineMessage.');
}
