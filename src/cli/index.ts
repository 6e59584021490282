/** The commands that speak to a Kafka cluster, in the order in which help lists them. */
import { aclCommand } from './acl.ts';
import { brokerCommand } from './broker.ts';
import type { Command } from './command.ts';
import { consumeCommand } from './consume.ts';
import { groupCommand } from './group.ts';
import { produceCommand } from './produce.ts';
import { quotaCommand } from './quota.ts';
import { tailCommand } from './tail.ts';
import { topicCommand } from './topic.ts';
import { userCommand } from './user.ts';

export const commands: readonly Command[] = [
  tailCommand,
  topicCommand,
  produceCommand,
  consumeCommand,
  groupCommand,
  brokerCommand,
  userCommand,
  aclCommand,
  quotaCommand,
];
