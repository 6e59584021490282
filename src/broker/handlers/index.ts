/** Every handler there is. What is not here is not advertised, and closes the connection. */
import type { Handler } from '../handler.ts';
import { produceHandler } from './00-produce.ts';
import { fetchHandler } from './01-fetch.ts';
import { listOffsetsHandler } from './02-list-offsets.ts';
import { metadataHandler } from './03-metadata.ts';
import { makeApiVersionsHandler } from './18-api-versions.ts';

const apiVersionsHandler = makeApiVersionsHandler(() => servedKeys);

export const handlers: readonly Handler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadataHandler,
  apiVersionsHandler,
];

const servedKeys: readonly number[] = handlers.map((h) => h.api.key).sort((a, b) => a - b);
