// Certificates for one test: an authority to throw away, and what it signs for 127.0.0.1.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bitString, der, integer, objectId, sequence, utcTime, utf8String } from './der.ts';

/** The files of a server that speaks TLS, and of its clients. All are PEM. */
export interface Certificates {
  /** The authority that signed {@link cert} and {@link clientCert}. */
  readonly ca: string;
  /** Another authority, which signed nothing. */
  readonly wrongCa: string;
  /** The server's, good for `127.0.0.1` and `localhost`. */
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const COMMON_NAME = '2.5.4.3';
const SUBJECT_ALT_NAME = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const DAY_MS = 86_400_000;
const LOOPBACK = Buffer.from([127, 0, 0, 1]);

/** Makes new certificates, valid for a day, and writes them into `folder`. */
export function writeCertificates(folder: string): Certificates {
  const authority = makeAuthority('busbar test authority');
  const server = issue('busbar test server', authority);
  const client = issue('busbar test client', authority);
  const write = (name: string, pem: string): string => {
    const file = join(folder, name);
    writeFileSync(file, pem, { mode: 0o600 });
    return file;
  };
  return {
    ca: write('ca.pem', authority.pem),
    wrongCa: write('wrong-ca.pem', makeAuthority('busbar wrong authority').pem),
    cert: write('server.pem', server.pem),
    key: write('server.key', toPem(server.key)),
    clientCert: write('client.pem', client.pem),
    clientKey: write('client.key', toPem(client.key)),
  };
}

interface Identity {
  readonly name: string;
  readonly pem: string;
  readonly key: KeyObject;
}

function makeAuthority(name: string): Identity {
  const { publicKey, privateKey } = newKeys();
  const isAuthority = extension(BASIC_CONSTRAINTS, sequence(der(0x01, Buffer.from([0xff]))));
  const pem = certify({ name, publicKey, issuer: { name, key: privateKey }, extensions: [isAuthority] });
  return { name, pem, key: privateKey };
}

function issue(name: string, issuer: Identity): Identity {
  const { publicKey, privateKey } = newKeys();
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, LOOPBACK));
  const pem = certify({ name, publicKey, issuer, extensions: [extension(SUBJECT_ALT_NAME, names)] });
  return { name, pem, key: privateKey };
}

interface Claim {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly issuer: Pick<Identity, 'name' | 'key'>;
  readonly extensions: readonly Buffer[];
}

/** An X.509 certificate, version 3 (RFC 5280). */
function certify({ name, publicKey, issuer, extensions }: Claim): string {
  const algorithm = sequence(objectId(ECDSA_SHA256));
  const now = Date.now();
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    // The first byte keeps it positive and without leading zeros.
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(issuer.name),
    sequence(utcTime(new Date(now - DAY_MS)), utcTime(new Date(now + DAY_MS))),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, issuer.key);
  const text = sequence(body, algorithm, bitString(signature)).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${text.match(/.{1,64}/g)?.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function newKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(objectId(COMMON_NAME), utf8String(commonName))));
}

/** Critical, but for names. */
function extension(id: string, value: Buffer): Buffer {
  const critical = id === BASIC_CONSTRAINTS ? [der(0x01, Buffer.from([0xff]))] : [];
  return sequence(objectId(id), ...critical, der(0x04, value));
}

function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
