// What publint and @arethetypeswrong/core say about a tarball, and whether its source maps lead somewhere.
import { gunzipSync } from 'node:zlib';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

/**
 * What the packages are on purpose: ESM only. `require()` loads it on every Node that they support.
 * `moduleResolution: node10` ignores `exports`; TypeScript 7 has removed it.
 */
const accepted = new Set(['CJSResolvesToESM']);
const resolutions = new Set(['node16-cjs', 'node16-esm', 'bundler']);

/** Throws if there is anything to say. @param {string} name @param {Buffer} tarball */
export async function lintTarball(name, tarball) {
  const problems = [...(await lintManifest(tarball)), ...(await lintTypes(tarball)), ...lintMaps(tarball)];
  if (problems.length > 0) throw new Error(`${name}:\n${problems.join('\n')}`);
}

/** @param {Buffer} tarball */
async function lintManifest(tarball) {
  const { messages, pkg } = await publint({ pack: { tarball: toArrayBuffer(tarball) }, strict: true });
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code);
}

/** @param {Buffer} tarball */
async function lintTypes(tarball) {
  const result = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  if (!result.types) return ['it has no types'];
  return result.problems
    .filter((problem) => !accepted.has(problem.kind))
    .filter((problem) => !('resolutionKind' in problem) || resolutions.has(problem.resolutionKind))
    .map((problem) => JSON.stringify(problem));
}

/** @param {Buffer} tarball */
function lintMaps(tarball) {
  const files = unpack(tarball);
  return [...files].flatMap(([file, content]) => {
    const [, map] = /\n\/\/# sourceMappingURL=(\S+)\s*$/.exec(content.subarray(-500).toString()) ?? [];
    if (map === undefined || map.startsWith('data:')) return [];
    const found = files.get(file.replace(/[^/]*$/, map));
    if (found === undefined) return [`${file} names the map ${map}, which is not there`];
    const { sources, sourcesContent = [] } = JSON.parse(found.toString());
    const isWhole = sources.every((/** @type {string} */ _, /** @type {number} */ at) => sourcesContent[at]);
    return isWhole ? [] : [`${file}: its map lacks sources`];
  });
}

/** The files of a tarball. @param {Buffer} tarball */
function unpack(tarball) {
  const tar = gunzipSync(tarball);
  const files = /** @type {Map<string, Buffer>} */ (new Map());
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const text = (/** @type {number} */ from, /** @type {number} */ length) =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    const prefix = text(345, 155);
    files.set(prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

/** @param {Buffer} buffer @returns {ArrayBuffer} */
function toArrayBuffer(buffer) {
  const { byteOffset, byteLength } = buffer;
  return /** @type {ArrayBuffer} */ (buffer.buffer.slice(byteOffset, byteOffset + byteLength));
}
