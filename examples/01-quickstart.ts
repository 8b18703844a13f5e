/** Two agents: one sends a request, the other responds. MESSAGE_BUS selects the backend. */

import { connect } from 'busbar';

await using bus = await connect(); // MESSAGE_BUS, else SQLite in the project's .busbar folder

const auth = await bus.agent('@service.auth', { capabilities: ['auth'] });
auth.handle('validate_token', async (message) => ({ valid: message.body === 'secret' }));

const backend = await bus.agent('@backend.nodejs');
const verdict = await backend.request('@service.auth', 'validate_token', 'secret', { timeoutMs: 5_000 });
console.log(verdict); // { valid: true }
