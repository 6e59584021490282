/** How the commands of topics are told which. */
import { type Arguments, usageError } from './arguments.ts';
import type { Option } from './command.ts';

/** The topic that a command is about: its word, or Kafka's `--topic`. */
export function requireTopic(args: Arguments): string {
  const [word] = args.words;
  const option = args.text('topic');
  if (word !== undefined && option !== undefined) {
    throw usageError(`two topics: '${word}' and --topic ${option}`);
  }
  const topic = word ?? option;
  if (topic === undefined) throw usageError(`which topic? usage: weir ${args.command.usage}`);
  return topic;
}

export const topicOption: Option = {
  name: 'topic',
  value: 'NAME',
  doc: 'The topic, if not named before.',
};

/** Words and `--topic`, which takes several with commas. */
export function topicNames(args: Arguments): readonly string[] {
  const named = args.text('topic');
  return named === undefined ? args.words : [...args.words, ...named.split(',')];
}
