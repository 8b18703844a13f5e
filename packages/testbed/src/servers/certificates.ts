// Certificates for tests. The keys are public: nothing outside of tests may trust them.
import { fileURLToPath } from 'node:url';

/** Paths of PEM files for a TLS server on 127.0.0.1 and its clients. */
export interface Certificates {
  /** The authority that signed {@link cert} and {@link clientCert}. */
  readonly ca: string;
  /** An authority that signed none of them. */
  readonly wrongCa: string;
  /** The server's certificate, valid for `127.0.0.1` and `localhost` until 2049. */
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** The certificates in the folder `certificates` of this package. */
export const TEST_CERTIFICATES: Certificates = {
  ca: pathOf('ca.pem'),
  wrongCa: pathOf('wrong-ca.pem'),
  cert: pathOf('server.pem'),
  key: pathOf('server.key'),
  clientCert: pathOf('client.pem'),
  clientKey: pathOf('client.key'),
};

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../../certificates/${name}`, import.meta.url));
}
