/**
 * UpdateFeatures (KIP-584): all of a request's levels are set, or none; Kafka's rules, refused in
 * its words. A level is set only when every broker supports it: a registration tells what does.
 */
import { ErrorCode, ProtocolError } from '../../protocol/error-codes.ts';
import {
  ELR_VERSION,
  type Feature,
  features,
  KRAFT_VERSION,
  METADATA_VERSION,
} from '../features.ts';
import type { MetadataImage } from '../metadata-image.ts';
import type { Draft } from './draft.ts';
import type { Succession } from './succession.ts';

/** Kafka's numbers of what a change of a level may do. */
const UpgradeType = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const;

export interface FeatureUpdate {
  readonly name: string;
  readonly level: number;
  readonly upgradeType: number;
}

/** Throws INVALID_UPDATE_VERSION. */
export function updateFeatures(
  draft: Draft,
  nodeId: number,
  succession: Succession,
  updates: readonly FeatureUpdate[],
): void {
  const { image } = draft;
  // Of a feature that stands twice, the last counts: in Kafka they are a map.
  const wanted = new Map(updates.map((update) => [update.name, update]));
  const levelAfter = (name: string): number => wanted.get(name)?.level ?? image.featureLevel(name);
  for (const update of wanted.values()) {
    const feature = checkedFeature(update, image, nodeId);
    const needs = feature.needs?.[update.level];
    if (needs !== undefined && levelAfter(needs.name) < needs.level) {
      refuse(
        update,
        `${update.name} could not be set to ${update.level} because it depends on ${needs.name} level ${needs.level}`,
      );
    }
    if (update.level === image.featureLevel(update.name)) continue;
    draft.add({
      type: 'FeatureLevel',
      value: { name: update.name, featureLevel: update.level },
    });
    if (update.name !== ELR_VERSION || update.level > 0) continue;
    for (const topic of image.topics.values()) {
      succession.abolishEligibility(draft, topic.partitions);
    }
  }
}

function checkedFeature(update: FeatureUpdate, image: MetadataImage, nodeId: number): Feature {
  const { name, level, upgradeType } = update;
  if (!Object.values<number>(UpgradeType).includes(upgradeType)) {
    return refuse(update, 'The controller does not support the given upgrade type.');
  }
  if (level < 0) return refuse(update, 'A feature version cannot be less than 0.');
  const feature = features.get(name);
  const where = `Local controller ${nodeId}`;
  if (feature === undefined) {
    // Level 0 is that of a feature that there is not, so its name is what is wrong.
    return refuse(
      update,
      level === 0 ? `Feature ${name} not found.` : `${where} does not support this feature.`,
    );
  }
  checkRange(update, where, feature.min, feature.max);
  for (const broker of image.brokers.values()) {
    const range = broker.features.find((known) => known.name === name);
    checkRange(update, `Broker ${broker.id}`, range?.min ?? 0, range?.max ?? 0);
  }
  const now = image.featureLevel(name);
  const isUpgrade = upgradeType === UpgradeType.upgrade;
  if (level < now && isUpgrade) {
    return refuse(
      update,
      "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    );
  }
  if (level > now && !isUpgrade) return refuse(update, "Can't downgrade to a newer version.");
  if (level < now) checkDowngrade(update, now);
  return feature;
}

function checkRange(update: FeatureUpdate, where: string, min: number, max: number): void {
  if (update.level >= min && update.level <= max) return;
  const supports =
    max === 0
      ? 'does not support this feature.'
      : `only supports versions ${min === max ? min : `${min}-${max}`}`;
  refuse(update, `${where} ${supports}`);
}

/** What the metadata hold already is not written in an older way. */
function checkDowngrade(update: FeatureUpdate, now: number): void {
  const { name, level, upgradeType } = update;
  if (name === KRAFT_VERSION) refuse(update, "Can't downgrade the version of this feature.");
  if (name !== METADATA_VERSION) return;
  const why =
    upgradeType === UpgradeType.unsafeDowngrade
      ? 'Unsafe metadata downgrade is not supported in this version.'
      : 'Refusing to perform the requested downgrade because it might delete metadata information.';
  throw new ProtocolError(
    ErrorCode.INVALID_UPDATE_VERSION,
    `Unsupported metadata.version downgrade from ${now} to ${level}. ${why}`,
  );
}

function refuse({ name, level }: FeatureUpdate, why: string): never {
  throw new ProtocolError(
    ErrorCode.INVALID_UPDATE_VERSION,
    `Invalid update version ${level} for feature ${name}. ${why}`,
  );
}
