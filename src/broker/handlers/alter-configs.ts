/**
 * What AlterConfigs and IncrementalAlterConfigs share: each resource changes as a whole or not at
 * all, and by itself.
 *
 * The broker that is asked looks first: at the form of the request, and at what concerns itself
 * alone (its own settings, its logger). The rest is for the controller.
 */
import { checkBrokerSettings, type SettingTexts } from '../../cluster/config-rules.ts';
import type { ConfigChange } from '../../cluster/controller/setting-changes.ts';
import { ResourceType } from '../../cluster/metadata-image.ts';
import { AclOperation } from '../../protocol/acl.ts';
import type { Api } from '../../protocol/apis.ts';
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import { codeOfError, messageOfError } from '../errors.ts';
import { controllerHandler, type Handler, type RequestContext } from '../handler.ts';
import { demandConfigRight } from './config-rights.ts';

export interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

interface Request<R extends Resource> {
  readonly resources: readonly R[];
  readonly validateOnly: boolean;
}

interface ResourceAnswer {
  errorCode: number;
  errorMessage: string | null;
  resourceType: number;
  resourceName: string;
}

interface Response {
  throttleTimeMs: number;
  responses: ResourceAnswer[];
}

/** What the two kinds of request differ in. */
export interface Altering<R extends Resource> {
  /** The changes of one resource; called when it is its turn, so it sees what earlier ones did. */
  readonly changesOf: (resource: R, now: SettingTexts) => readonly ConfigChange[];
  /** Whether a configuration may come without a value. */
  readonly mayBeNull: (config: R['configs'][number]) => boolean;
  /** Changes levels of this broker's loggers; null: the request cannot. */
  readonly alterLoggers:
    | ((resource: R, validateOnly: boolean, context: RequestContext) => void)
    | null;
}

const invalid = (message: string): ProtocolError =>
  new ProtocolError(ErrorCode.INVALID_REQUEST, message);

export function alteringHandler<R extends Resource>(
  api: Api | undefined,
  altering: Altering<R>,
): Handler {
  const decided = controllerHandler<Request<R>, Response>(api, (request, context) =>
    alterAll(request, context, altering),
  );
  const handle = async (request: Request<R>, context: RequestContext): Promise<Response> => {
    const settled = settledHere(request, context, altering);
    const resources = request.resources.filter((resource) => !settled.has(resource));
    const answer =
      resources.length === 0
        ? { responses: [] }
        : ((await decided.handle({ ...request, resources }, context)) as Response);
    const rest = answer.responses.values();
    const responses = request.resources.map(
      (resource) => settled.get(resource) ?? rest.next().value!,
    );
    return { throttleTimeMs: 0, responses };
  };
  return { ...decided, handle };
}

/** Answers to those resources that the controller need not see. */
function settledHere<R extends Resource>(
  { resources, validateOnly }: Request<R>,
  context: RequestContext,
  altering: Altering<R>,
): Map<R, ResourceAnswer> {
  const seen = new Map<string, number>();
  const keyOf = (r: R): string => `${r.resourceType}/${r.resourceName}`;
  for (const resource of resources) {
    seen.set(keyOf(resource), (seen.get(keyOf(resource)) ?? 0) + 1);
  }
  const settled = new Map<R, ResourceAnswer>();
  for (const resource of resources) {
    try {
      if (seen.get(keyOf(resource)) !== 1) {
        throw invalid('Each resource must appear at most once.');
      }
      if (isSettledHere(resource, validateOnly, context, altering)) {
        settled.set(resource, answerTo(resource, null, context));
      }
    } catch (error) {
      settled.set(resource, answerTo(resource, error, context));
    }
  }
  return settled;
}

/** Throws when the resource is refused here. */
function isSettledHere<R extends Resource>(
  resource: R,
  validateOnly: boolean,
  context: RequestContext,
  { changesOf, mayBeNull, alterLoggers }: Altering<R>,
): boolean {
  const { resourceType, resourceName, configs } = resource;
  if (new Set(configs.map(({ name }) => name)).size !== configs.length) {
    throw invalid('Error due to duplicate config keys');
  }
  const empty = configs.filter((config) => config.value === null && !mayBeNull(config));
  if (empty.length > 0) {
    throw invalid(`Null value not supported for : ${empty.map(({ name }) => name).join(', ')}`);
  }
  switch (resourceType) {
    case ResourceType.topic:
    case ResourceType.clientMetrics:
    case ResourceType.group:
      return false;
    case ResourceType.broker: {
      if (resourceName !== '') {
        checkNodeId(resourceName, 'Unexpected broker id, expected', context);
      }
      const now = context.broker.image.settings(resourceType, resourceName);
      checkBrokerSettings(resourceName, after(now, changesOf(resource, now)));
      return false;
    }
    case ResourceType.brokerLogger:
      if (alterLoggers === null) break;
      checkNodeId(resourceName, 'Unexpected node id. Expected', context);
      demandConfigRight(AclOperation.alterConfigs, resource, context);
      alterLoggers(resource, validateOnly, context);
      return true;
  }
  throw invalid(`Unknown resource type ${resourceType}`);
}

/** `unexpected` says what another number is called, as Kafka does for the kind of resource. */
function checkNodeId(name: string, unexpected: string, { broker }: RequestContext): void {
  if (!/^[+-]?\d+$/.test(name)) {
    throw invalid(`Node id must be an integer, but it is: ${name}`);
  }
  if (Number(name) !== broker.nodeId) {
    throw invalid(`${unexpected} ${broker.nodeId}, but received ${name}`);
  }
}

/** The settings as the changes would leave them. */
function after(now: SettingTexts, changes: readonly ConfigChange[]): SettingTexts {
  const settings = new Map(now);
  for (const { name, value } of changes) {
    if (value === null) settings.delete(name);
    else settings.set(name, value);
  }
  return settings;
}

async function alterAll<R extends Resource>(
  { resources, validateOnly }: Request<R>,
  context: RequestContext,
  { changesOf }: Altering<R>,
): Promise<Response> {
  const { controller, image } = context.broker;
  const responses = await Promise.all(
    resources.map(async (resource) => {
      const { resourceType, resourceName } = resource;
      try {
        demandConfigRight(AclOperation.alterConfigs, resource, context);
        await controller.alterConfigs(
          { resourceType, resourceName },
          () => changesOf(resource, image.settings(resourceType, resourceName)),
          validateOnly,
        );
        return answerTo(resource, null, context);
      } catch (error) {
        return answerTo(resource, error, context);
      }
    }),
  );
  return { throttleTimeMs: 0, responses };
}

function answerTo(
  { resourceType, resourceName }: Resource,
  error: unknown,
  context: RequestContext,
): ResourceAnswer {
  const named = { resourceType, resourceName };
  if (error === null) return { ...named, errorCode: ErrorCode.NONE, errorMessage: null };
  const errorCode = codeOfError(error, context.broker.logger);
  return { ...named, errorCode, errorMessage: messageOfError(error) };
}
