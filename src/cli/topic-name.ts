import { type Arguments, usageError } from './arguments.ts';

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
