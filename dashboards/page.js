// Draws what /api/tocsin/v1/status says, every five seconds. Text from targets is only ever set as text.
'use strict';

const refreshMs = 5000;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function cell(content, className) {
  const td = element('td', className);
  td.append(...[content].flat().map((part) => part ?? ''));
  return td;
}

function fill(id, rows, none) {
  const body = document.querySelector(`#${id} tbody`);
  if (rows.length === 0) {
    const columns = document.querySelectorAll(`#${id} th`).length;
    const td = cell(none, 'none');
    td.colSpan = columns;
    const row = element('tr');
    row.append(td);
    rows = [row];
  }
  body.replaceChildren(...rows);
}

function row(...cells) {
  const tr = element('tr');
  tr.append(...cells);
  return tr;
}

function seconds(value) {
  if (value < 1e-3) return `${(value * 1e6).toFixed(0)} µs`;
  if (value < 1) return `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms`;
  return `${value.toFixed(2)} s`;
}

function ago(time, now) {
  if (!time) return 'never';
  const s = Math.max(0, Math.round((Date.parse(now) - Date.parse(time)) / 1000));
  const unit = s < 90 ? [1, 's'] : s < 5400 ? [60, 'min'] : s < 129600 ? [3600, 'h'] : [86400, 'd'];
  const made = element('time', '', `${Math.round(s / unit[0])} ${unit[1]} ago`);
  made.dateTime = time;
  made.title = time;
  return made;
}

function labelText(labels, without) {
  return Object.entries(labels)
    .filter(([name]) => !without.includes(name))
    .map(([name, value]) => `${name}="${value}"`)
    .join(' ');
}

// One bar a run, as high as the run took, relative to the slowest shown; a failed run is red and full.
function latencyPicture(history, name) {
  const space = 'http://www.w3.org/2000/svg';
  const slots = 60;
  const shown = history.slice(-slots);
  const slowest = Math.max(...shown.map((run) => run[1]), 1e-9);
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('class', 'latency');
  svg.setAttribute('viewBox', `0 0 ${slots * 4} 32`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${name}: ${shown.length} runs, slowest ${seconds(slowest)}, ` +
                                 `${shown.filter((run) => !run[2]).length} failed`);
  shown.forEach(([at, took, good], i) => {
    const height = good ? Math.max(1.5, (took / slowest) * 30) : 31;
    const bar = document.createElementNS(space, 'rect');
    bar.setAttribute('class', good ? 'bar' : 'bar down');
    bar.setAttribute('x', (slots - shown.length + i) * 4);
    bar.setAttribute('y', 32 - height);
    bar.setAttribute('width', 3);
    bar.setAttribute('height', height);
    const title = document.createElementNS(space, 'title');
    title.textContent = `${new Date(at).toLocaleTimeString()} ${seconds(took)}${good ? '' : ' failed'}`;
    bar.append(title);
    svg.append(bar);
  });
  return svg;
}

function targetRow(target, now) {
  const {job, instance} = target.labels;
  const failure = target.last_failure
    ? [element('div', '', target.last_failure_detail || target.last_failure_cause),
       element('span', 'dim', `${target.last_failure_cause}, `), ago(target.last_failure, now)]
    : [element('span', 'dim', 'none')];
  return row(
    cell(target.state, `state ${target.state}`),
    cell([element('div', 'name', instance),
          element('div', 'labels', [job, target.type === job ? '' : target.type,
                                    labelText(target.labels, ['job', 'instance'])].filter(Boolean).join(' · '))]),
    cell(latencyPicture(target.history, instance)),
    cell(target.last_run ? seconds(target.last_seconds) : '', 'number'),
    cell(failure));
}

function alertRow(alert, now) {
  const annotations = alert.annotations;
  const text = annotations.summary || annotations.description || `value ${alert.value}`;
  const what = [element('div', '', text)];
  if (annotations.runbook_url && /^https?:/.test(annotations.runbook_url)) {
    const link = element('a', '', 'runbook');
    link.href = annotations.runbook_url;
    link.rel = 'noreferrer';
    what.push(link);
  }
  return row(
    cell(alert.state, `state ${alert.state}`),
    cell([element('div', 'name', alert.labels.alertname), element('div', 'labels', labelText(alert.labels, ['alertname']))]),
    cell(what),
    cell(ago(alert.active_at, now)));
}

function channelRow(channel, now) {
  const error = channel.last_error ? [element('div', '', channel.last_error), ago(channel.last_error_at, now)]
                                   : [element('span', 'dim', 'none')];
  return row(cell(channel.channel, 'name'), cell(channel.delivered, 'number'),
             cell(channel.waiting + channel.in_flight, 'number'), cell(channel.dead, 'number'),
             cell(ago(channel.last_success, now)), cell(error));
}

function ruleRow(group, now) {
  const health = group.failing > 0 ? 'error' : group.last_evaluation ? 'ok' : 'unknown';
  return row(cell(health, `state ${health}`),
             cell([element('div', 'name', group.group), element('div', 'labels', group.error || group.file)]),
             cell(group.rules, 'number'), cell(seconds(group.last_seconds), 'number'),
             cell(ago(group.last_evaluation, now)));
}

function summarize(status) {
  const down = status.targets.filter((target) => target.state === 'down').length;
  const firing = status.alerts.filter((alert) => alert.state === 'firing').length;
  const summary = document.getElementById('summary');
  summary.textContent = down + firing === 0
    ? `all ${status.targets.length} targets up, nothing fires`
    : `${down} of ${status.targets.length} targets down, ${firing} ${firing === 1 ? 'alert fires' : 'alerts fire'}`;
  summary.className = down + firing === 0 ? 'good' : 'bad';
  document.title = down + firing === 0 ? 'tocsin' : `(${down + firing}) tocsin`;
  document.getElementById('about').textContent = `version ${status.version} · ${status.config || 'embedded default'}`;
}

function problems(status) {
  const all = [];
  if (!status.reload_successful) {
    all.push(`The last configuration has mistakes; the one before is in use.\n${status.reload_error}`);
  }
  const {series, series_max: max, series_refused: refused} = status.storage;
  if (refused > 0 && series >= max) all.push(`storage.series_max is reached: of more than ${max} series nothing is kept.`);
  return all;
}

function problem(text) {
  const place = document.getElementById('problem');
  place.hidden = !text;
  place.textContent = text;
}

async function refresh() {
  try {
    const answer = await fetch('api/tocsin/v1/status', {cache: 'no-store'});
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const status = await answer.json();
    const order = {down: 0, unknown: 1, up: 2, firing: 0, pending: 1};
    const byState = (a, b) => order[a.state] - order[b.state];
    problem(problems(status).join('\n'));
    summarize(status);
    fill('alerts', status.alerts.sort(byState).map((alert) => alertRow(alert, status.now)), 'No alert is pending or firing.');
    fill('targets', status.targets.sort(byState).map((target) => targetRow(target, status.now)), 'Nothing is watched.');
    fill('channels', status.channels.map((channel) => channelRow(channel, status.now)), 'There is no channel.');
    fill('rules', status.rules.map((group) => ruleRow(group, status.now)), 'There are no rules.');
  } catch (error) {
    problem(`The agent does not answer (${error.message}); what stands here is old.`);
  }
  setTimeout(refresh, refreshMs);
}

refresh();
