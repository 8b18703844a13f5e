/** A harness for any URL. Each case gets its own store at that URL. */

import { mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BusbarError, type Capabilities, quote, type Transport } from '@busbar/api/transport';
import { type Harness, type HarnessFeature, type HarnessStore, readCapabilities } from './harness.ts';

/** Options of {@link urlHarness}. */
export interface UrlHarnessOptions {
  /** Default: the scheme. */
  readonly name?: string;
  open(url: string): Promise<Transport>;
  /** The module (a URL) and its export that open a URL in another process. Without it, cases with processes are not tested. */
  readonly opener?: { readonly module: string; readonly name: string };
  /**
   * How cases are separated. `namespace`: by the parameter `ns`. `file`: by a file of the same name and parameters in a
   * temporary folder beside the file of the URL, which itself is never touched.
   */
  readonly apart: 'namespace' | 'file';
  /** Reasons for further missing harness features. */
  readonly missing?: Harness['missing'];
}

/** Creates the harness. Opens a client once to read the capabilities. */
export async function urlHarness(url: string, options: UrlHarnessOptions): Promise<Harness> {
  const name = options.name ?? url.slice(0, url.indexOf(':'));
  const store = options.apart === 'file' ? () => fileStore(url, options) : () => namespaceStore(url, options);
  const capabilities = await readCapabilities(store);
  const serverless = options.apart === 'file' || capabilities.reach === 'process';
  return { name, store, serverless, missing: missingFeatures(capabilities, options) };
}

function missingFeatures(
  capabilities: Capabilities,
  { apart, opener, missing: others }: UrlHarnessOptions,
): Partial<Record<HarnessFeature, string>> {
  const missing: Partial<Record<HarnessFeature, string>> = {
    server: 'The suite does not kill the server of a URL.',
    options: 'The options are those of the URL.',
    format: 'The suite does not change the format of the store of a URL.',
  };
  if (apart !== 'file') missing.files = 'The suite must not damage the files of its store.';
  if (opener === undefined) missing.processes = 'The harness has no opener for other processes.';
  if (capabilities.reach === 'process' && capabilities.durability === 'none') {
    missing.processes = 'It runs in one process.';
    missing.reopen = 'Its store ends with its last client.';
  }
  return { ...missing, ...others };
}

async function fileStore(url: string, options: UrlHarnessOptions): Promise<HarnessStore> {
  const [, scheme = '', path = '', query = ''] = /^([^:]*):([^?#]*)(.*)$/s.exec(url) ?? [];
  const file = decodeURIComponent(path);
  const folder = await makeFolder(join(dirname(file), `.${basename(file)}-conformance-`));
  const own = join(folder, basename(file)).replaceAll(/[%?#]/g, encodeURIComponent);
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { ...storeAt(`${scheme}:${own}${query}`, options), folder, remove };
}

async function makeFolder(prefix: string): Promise<string> {
  try {
    return await mkdtemp(prefix);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
    const isDenied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
    throw new BusbarError(
      isMissing ? 'INVALID_ARGUMENT' : isDenied ? 'PERMISSION_DENIED' : 'UNAVAILABLE',
      isMissing ? `the folder ${quote(dirname(prefix))} does not exist` : `cannot write to ${dirname(prefix)}: ${code}`,
      {
        hint: 'The suite makes a temporary folder beside the file. Name a file in a folder that you can write to.',
        cause: error,
      },
    );
  }
}

async function namespaceStore(url: string, options: UrlHarnessOptions): Promise<HarnessStore> {
  const ns = `conformance-${crypto.randomUUID().slice(0, 13)}`;
  const own = `${url}${url.includes('?') ? '&' : '?'}ns=${ns}`;
  const remove = async (): Promise<void> => {
    await using transport = await options.open(own);
    await transport.admin.clear();
  };
  return { ...storeAt(own, options), remove };
}

function storeAt(url: string, { open, opener }: UrlHarnessOptions): Pick<HarnessStore, 'open' | 'opener'> {
  return { open: () => open(url), ...(opener && { opener: { ...opener, argument: url } }) };
}
