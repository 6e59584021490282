/** DescribeUserScramCredentials, v0: which users have passwords, and nothing of the passwords. */
import { repeated } from '../../base/repeated.ts';
import type { UserCredentials } from '../../cluster/user-credentials.ts';
import { AclOperation } from '../../protocol/acl.ts';
import { apis } from '../../protocol/apis.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from '../../protocol/messages/50-describe-user-scram-credentials.ts';
import type { Infer } from '../../protocol/schema.ts';
import { handler } from '../handler.ts';

type Request = Infer<typeof describeUserScramCredentialsRequest>;
type Response = Infer<typeof describeUserScramCredentialsResponse>;
type Result = Response['results'][number];

export const describeUserScramCredentialsHandler = handler<Request, Response>(
  apis.get(50),
  ({ users: asked }, context) => {
    const { broker } = context;
    if (!context.mayToCluster(AclOperation.describe)) {
      const errorCode = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
      return { throttleTimeMs: 0, errorCode, errorMessage: null, results: [] };
    }
    const { users } = broker.image;
    const names =
      asked === null || asked.length === 0 ? [...users.names] : asked.map(({ name }) => name);
    const doubles = repeated(names);
    const results = [...new Set(names)].map((name) =>
      doubles.has(name) ? twice(name) : described(name, users),
    );
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: NO_MESSAGE, results };
  },
);

/** Where other answers have null, Kafka's of this API has an empty text. */
const NO_MESSAGE = '';

const twice = (user: string): Result => ({
  user,
  errorCode: ErrorCode.DUPLICATE_RESOURCE,
  errorMessage: `Cannot describe SCRAM credentials for the same user twice in a single request: ${user}`,
  credentialInfos: [],
});

function described(user: string, users: UserCredentials): Result {
  const credentialInfos = [...users.of(user)].map(([mechanism, { iterations }]) => ({
    mechanism,
    iterations,
  }));
  if (credentialInfos.length > 0) {
    return { user, errorCode: ErrorCode.NONE, errorMessage: NO_MESSAGE, credentialInfos };
  }
  return {
    user,
    errorCode: ErrorCode.RESOURCE_NOT_FOUND,
    errorMessage: `Attempt to describe a user credential that does not exist: ${user}`,
    credentialInfos,
  };
}
