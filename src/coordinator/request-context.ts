/** What the coordinator has to know about a request beside its body. */
export interface RequestContext {
  readonly clientId: string | null;
  /** The client's address, as DescribeGroups shows it. */
  readonly clientHost: string;
  readonly apiVersion: number;
  /** Whether the client may know of the topic; absent: of all. */
  readonly mayDescribe?: (topic: string) => boolean;
}
