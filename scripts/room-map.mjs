// Writes the map of the rooms in docs/architecture.md: every source file with the first line of what it says of itself.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { paths } from './paths.mjs';

const MAP = join(paths.root, 'docs/architecture.md');
const BEGIN = '<!-- rooms:begin -->';
const END = '<!-- rooms:end -->';
/** Those that are named come in this order, all others where the dots are. */
const ORDER = ['api', 'transport-memory', '...', 'conformance', 'busbar', 'testbed'];

const rooms = [...packages().map((name) => `packages/${name}`), 'bench', 'demo'];
const text = readFileSync(MAP, 'utf8');
const before = text.slice(0, text.indexOf(BEGIN) + BEGIN.length);
const after = text.slice(text.indexOf(END));
writeFileSync(MAP, `${before}\n\n${rooms.map(describeRoom).join('\n\n')}\n\n${after}`);

/** The folders of `packages` that have sources. */
function packages() {
  const folder = join(paths.root, 'packages');
  /** @param {string} name */
  const place = (name) => ORDER.indexOf(ORDER.includes(name) ? name : '...');
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'src')));
  return names.sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/** @param {string} room */
function describeRoom(room) {
  const source = join(paths.root, room, 'src');
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const lines = files.sort(byFolder).map((file) => `- \`${file}\`: ${firstLine(join(source, file))}`);
  const { description } = JSON.parse(readFileSync(join(paths.root, room, 'package.json'), 'utf8'));
  return `### \`${room}\`\n\n${description}.\n\n${lines.join('\n')}`;
}

/**
 * Files of a folder before its folders.
 * @param {string} a
 * @param {string} b
 */
function byFolder(a, b) {
  return a.split('/').length - b.split('/').length || (a < b ? -1 : 1);
}

/** @param {string} path */
function firstLine(path) {
  const head = readFileSync(path, 'utf8').slice(0, 600);
  const comment = /^(?:#!.*\n)?(?:\/\*\*\s*(?:\* )?(.*?)(?:\*\/|\n)|\/\/ (.*)\n)/.exec(head);
  return (comment?.[1] ?? comment?.[2] ?? '').trim();
}
