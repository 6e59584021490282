/** An authorization server: tokens for whoever knows the client's secret, and the keys to check them. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export class TokenServer {
  readonly #server: Server;
  readonly #key: CryptoKey;
  /** Seconds for which its tokens are good. */
  lifetimeSeconds = 300;
  /** Bodies of the requests for a token that were answered with one. */
  readonly given: string[] = [];
  /** Requests that did not know the secret. */
  refused = 0;

  private constructor(key: CryptoKey, jwk: object) {
    this.#key = key;
    this.#server = createServer((request, answer) => {
      const send = (status: number, body: unknown): void => {
        answer.writeHead(status, { 'content-type': 'application/json' });
        answer.end(JSON.stringify(body));
      };
      if (request.url === '/keys') return send(200, { keys: [jwk] });
      const basic = Buffer.from('service:client secret').toString('base64');
      if (request.headers.authorization !== `Basic ${basic}`) {
        this.refused += 1;
        return send(401, { error: 'invalid_client' });
      }
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        this.given.push(body);
        this.token().then(
          (token) =>
            send(200, {
              access_token: token,
              token_type: 'Bearer',
              expires_in: this.lifetimeSeconds,
            }),
          () => send(500, {}),
        );
      });
    });
  }

  static async start(): Promise<TokenServer> {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
    const made = new TokenServer(privateKey, jwk);
    await new Promise<void>((resolve) => made.#server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  token(audience = 'weir', seconds = this.lifetimeSeconds): Promise<string> {
    return new SignJWT({ scope: 'kafka' })
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setSubject('service-user')
      .setIssuer('https://issuer.example')
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(`${seconds}s`)
      .sign(this.#key);
  }
  stop(): void {
    this.#server.close();
  }
}
