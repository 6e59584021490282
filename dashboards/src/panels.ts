/**
 * The parts that Weir's dashboards are made of: panels of few kinds, laid out in rows of 24 columns,
 * and the variables that every query filters on. Grafana's own builder makes the JSON of it.
 */
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly kind: 'graph' | 'stat' | 'table';
  readonly title: string;
  readonly description: string;
  /** Grafana's name of it: https://grafana.com/docs/grafana/latest/panels-visualizations. */
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly options: PanelOptions;
}

export interface PanelOptions {
  readonly width?: number;
  readonly min?: number;
  readonly max?: number;
  readonly decimals?: number;
  readonly stacked?: boolean;
  /** From which value on it is bad: red at and above, or below (`badBelow`). */
  readonly badFrom?: number;
  readonly badBelow?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface DashboardSpec {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
  readonly links: readonly { readonly title: string; readonly uid: string }[];
}

export const query = (expr: string, legend = ''): Query => ({ expr, legend });

const panel =
  (kind: Panel['kind']) =>
  (
    title: string,
    description: string,
    unit: string,
    queries: Query | readonly Query[],
    options: PanelOptions = {},
  ): Panel => ({
    kind,
    title,
    description,
    unit,
    queries: 'expr' in queries ? [queries] : queries,
    options,
  });

export const graph = panel('graph');
export const number = panel('stat');
export const list = panel('table');

/** Columns and height of a panel unless it is told otherwise. */
const sizes = {
  graph: { width: 8, height: 8 },
  stat: { width: 3, height: 4 },
  table: { width: 12, height: 8 },
} as const;

const GRID_COLUMNS = 24;
const SCHEMA_TAGS = ['weir', 'kafka'];

const source = { type: 'prometheus', uid: '${datasource}' };

/** JSON of the dashboard, as Grafana's file provisioning and its import take it. */
export function dashboardJson(spec: DashboardSpec): string {
  const built = build(spec);
  return `${JSON.stringify(built, null, 2)}\n`;
}

function build(spec: DashboardSpec): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags(SCHEMA_TAGS)
    .editable()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .refresh('30s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .variables(variables())
    .links(
      spec.links.map(({ title, uid }) =>
        new dashboard.DashboardLinkBuilder(title)
          .type(dashboard.DashboardLinkType.Link)
          .url(`/d/${uid}`)
          .keepTime(true)
          .includeVars(true),
      ),
    );
  let id = 0;
  let y = 0;
  for (const row of spec.rows) {
    id += 1;
    builder.withRow(
      new dashboard.RowBuilder(row.title).id(id).gridPos({ x: 0, y, w: GRID_COLUMNS, h: 1 }),
    );
    y += 1;
    let x = 0;
    let height = 0;
    for (const each of row.panels) {
      const { width: usual, height: h } = sizes[each.kind];
      const w = each.options.width ?? usual;
      if (x + w > GRID_COLUMNS) {
        x = 0;
        y += height;
        height = 0;
      }
      id += 1;
      builder.withPanel(panelBuilder(each).id(id).gridPos({ x, y, w, h }));
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return builder.build();
}

function panelBuilder(spec: Panel) {
  const { kind, title, description, unit, options } = spec;
  const builder =
    kind === 'graph' ? graphBuilder(options) : kind === 'stat' ? statBuilder() : tableBuilder();
  builder.title(title).description(description).datasource(source).unit(unit);
  spec.queries.forEach(({ expr, legend }, i) => {
    const target = new prometheus.DataqueryBuilder()
      .datasource(source)
      .refId(String.fromCharCode('A'.charCodeAt(0) + i))
      .expr(expr)
      .legendFormat(legend === '' ? '__auto' : legend);
    if (kind === 'graph') target.range();
    else target.instant();
    if (kind === 'table') target.format(prometheus.PromQueryFormat.Table);
    builder.withTarget(target);
  });
  const { min, max, decimals } = options;
  if (min !== undefined) builder.min(min);
  if (max !== undefined) builder.max(max);
  if (decimals !== undefined) builder.decimals(decimals);
  const steps = thresholds(options);
  if (steps !== null) builder.thresholds(steps);
  return builder;
}

function thresholds({ badFrom, badBelow }: PanelOptions): dashboard.ThresholdsConfigBuilder | null {
  const steps =
    badFrom !== undefined
      ? [
          { value: null, color: 'green' },
          { value: badFrom, color: 'red' },
        ]
      : badBelow !== undefined
        ? [
            { value: null, color: 'red' },
            { value: badBelow, color: 'green' },
          ]
        : null;
  if (steps === null) return null;
  return new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps(steps);
}

function graphBuilder({ stacked }: PanelOptions): timeseries.PanelBuilder {
  const builder = new timeseries.PanelBuilder()
    .fillOpacity(stacked === true ? 30 : 8)
    .lineWidth(1)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    );
  if (stacked === true) {
    builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  }
  return builder;
}

const statBuilder = (): stat.PanelBuilder =>
  new stat.PanelBuilder()
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']));

const tableBuilder = (): table.PanelBuilder =>
  new table.PanelBuilder().withTransformation({
    id: 'organize',
    options: { excludeByName: { Time: true }, renameByName: {} },
  });

/** `All` matches series without the label, too: of an appliance with one broker or no cluster name. */
function variables() {
  const of = (name: string, label: string, metric: string, source_label: string, all: string) =>
    new dashboard.QueryVariableBuilder(name)
      .label(label)
      .datasource(source)
      .query(`label_values(${metric}, ${source_label})`)
      .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
      .sort(dashboard.VariableSort.NaturalAsc)
      .multi(true)
      .includeAll(true)
      .allValue(all)
      .current({ text: 'All', value: '$__all', selected: true });
  return [
    new dashboard.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    of('cluster', 'Cluster', 'weir_build_info', 'kafka_cluster', '.*'),
    of(
      'broker',
      'Broker',
      'kafka_server_kafkaserver_brokerstate{kafka_cluster=~"$cluster"}',
      'broker',
      '.*',
    ),
    of('topic', 'Topic', 'kafka_log_log_size{kafka_cluster=~"$cluster"}', 'topic', '.+'),
  ];
}
