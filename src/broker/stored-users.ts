/** The users of the metadata log, as SCRAM asks for them. */
import type { MetadataImage } from '../cluster/metadata-image.ts';
import { ITERATIONS_MIN } from '../security/sasl/scram.ts';
import type { ScramUsers } from '../security/sasl/scram-server.ts';

export const storedUsers = ({ users }: MetadataImage): ScramUsers => ({
  find: ({ type }, name) => users.credential(name, type),
  get typicalIterations() {
    return users.latest?.iterations ?? ITERATIONS_MIN;
  },
  get isEmpty() {
    return users.isEmpty;
  },
});
