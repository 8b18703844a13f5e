// Mutants of what handlers throw and return, and of bodies that JSON would change.
import { mutantsOf, type SourceMutant } from './source-mutant.ts';

export const mutants: readonly SourceMutant[] = [
  ...mutantsOf('sqlite', 'api/src', [
    {
      name: 'an error says nothing of its cause',
      file: 'contract/thrown.ts',
      find: "const cause = isOwn(thrown) ? undefined : causesOf(thrown, message ?? '');",
      replace: 'const cause = undefined;',
      killedBy: 'E13',
    },
    {
      name: 'infinities and NaN become null',
      file: 'bus/messages/json-loss.ts',
      find: 'return Number.isFinite(value) ? undefined : loss(String(value));',
      replace: 'return undefined;',
      killedBy: 'V12',
    },
  ]),
  ...mutantsOf('redis', 'api/src', [
    {
      name: 'half a character is stored as it is',
      file: 'contract/thrown.ts',
      find: 'if (text.length <= MAX_ERROR_TEXT) return text.toWellFormed();',
      replace: 'if (text.length <= MAX_ERROR_TEXT) return text;',
      killedBy: 'E13',
    },
    {
      name: 'a response that is too large is a failed handler',
      file: 'bus/requests/replies.ts',
      find: "return code === 'PAYLOAD_TOO_LARGE' ? new BusbarError(code, message, { hint, outcome: 'unknown' }) : cause;",
      replace: 'return code && message && hint ? cause : cause;',
      killedBy: 'R13',
    },
  ]),
  ...mutantsOf('hub', 'api/src', [
    {
      name: 'a thrown object without a message has no text',
      file: 'contract/thrown.ts',
      find: 'return toText(thrown) ?? UNREADABLE;',
      replace: 'return UNREADABLE;',
      killedBy: 'E13',
    },
    {
      name: 'looks only at the first item of an array',
      file: 'bus/messages/json-loss.ts',
      find: 'const item = items[index];',
      replace: 'const item = items[0];',
      killedBy: 'V12',
    },
  ]),
  ...mutantsOf('nats', 'transport-nats/src', [
    {
      name: 'promises the whole payload of the server to bodies',
      file: 'capabilities.ts',
      find: 'maxBodyBytes: maxPayload - HEADER_ROOM,',
      replace: 'maxBodyBytes: maxPayload,',
      killedBy: 'R13',
    },
  ]),
];
