/** The label filters of the dashboards' queries, in one place. */

/** Of anything of the appliance. */
export const APPLIANCE = 'kafka_cluster=~"$cluster"';
/** Of a broker's series. */
export const BROKER = `${APPLIANCE},broker=~"$broker"`;
/** Of a topic's series; those without a topic are sums over all of them. */
export const TOPIC = `${BROKER},topic=~"$topic",topic!=""`;

/** `rate` of a counter, over what Grafana finds the right window. */
export const rate = (metric: string, filter: string): string =>
  `rate(${metric}{${filter}}[$__rate_interval])`;

export const sumOf = (by: string, expr: string): string =>
  by === '' ? `sum(${expr})` : `sum by (${by}) (${expr})`;
