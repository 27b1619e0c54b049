// Stand-ins for what a ServiceNow instance gives a Business Rule. Runs the script named first on
// the scenario in stdin, and prints what it would have sent and logged.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const vm = require('vm');

const scenario = JSON.parse(fs.readFileSync(0, 'utf8'));
const scoped = scenario.scope === 'scoped';
const found = { requests: [], logs: [] };

// Java's strings are no JavaScript strings: a script that forgets to convert them is found out.
class JavaString {
  constructor(value) { this.value = value; }
  toString() { return this.value; }
  toJSON() { throw new Error('a Java object reached JSON.stringify'); }
}
const java = (value) => (value === null || value === undefined ? null : new JavaString(String(value)));

class Element {
  constructor(name) { this.name = name; }
  getName() { return java(this.name); }
  changes() {
    if (this.name in (scenario.journal || {})) { return true; }
    return scenario.operation !== 'update' || scenario.record[this.name] !== (scenario.previous || {})[this.name];
  }
  getJournalEntry(which) { // the newest of all that were ever made
    const entry = { ...scenario.entries, ...scenario.journal }[this.name];
    if (which !== 1 || entry === undefined) { return java(''); }
    return java(`2026-11-22 10:15:00 - Ada Moreno (${this.name})\n${entry}\n\n`);
  }
}

function record(values) {
  const elements = Object.keys(scenario.record).map((name) => new Element(name));
  return {
    getElements: () => (scoped ? elements : { size: () => elements.length, get: (at) => elements[at] }),
    getValue: (name) => java(values[String(name)] === '' ? null : values[String(name)]),
    getDisplayValue: (name) => java((scenario.display || {})[String(name)] ?? values[String(name)]),
    getTableName: () => java(scenario.table),
    operation: () => java(scenario.operation),
  };
}

class RESTMessageV2 {
  constructor() { this.request = { headers: {} }; }
  setEndpoint(url) { this.request.url = String(url); }
  setHttpMethod(method) { this.request.method = String(method); }
  setRequestHeader(name, value) { this.request.headers[name] = String(value); }
  setRequestBody(body) { this.request.body = String(body); }
  setHttpTimeout(ms) { this.request.timeout = ms; }
  execute() { throw new Error('the user would wait'); }
  executeAsync() {
    if (scenario.fails) { throw new Error('no route to the gateway'); }
    found.requests.push(this.request);
  }
}

class Mac {
  generateMac(key, algorithm, data) {
    if (algorithm !== 'HmacSHA256') { throw new Error(`no such algorithm: ${algorithm}`); }
    const secret = Buffer.from(String(key), 'base64');
    return java(crypto.createHmac('sha256', secret).update(String(data), 'utf8').digest('base64'));
  }
}

const base64Encode = (value) => java(Buffer.from(String(value), 'utf8').toString('base64'));
const log = (level) => (message) => found.logs.push(`${level}: ${message}`);
const gs = {
  getProperty: (name) => java(scenario.properties[name]),
  getUserID: () => java(scenario.user.sys_id),
  getUserName: () => java(scenario.user.user_name),
  getUserDisplayName: () => java(scenario.user.name),
  generateGUID: () => java(crypto.randomUUID().replace(/-/g, '')),
  warn: log('warn'),
  error: log('error'),
};
const platform = {
  current: record(scenario.record),
  previous: scenario.operation === 'update' ? record(scenario.previous || {}) : null,
  gs,
  sn_ws: { RESTMessageV2 },
  GlideDateTime: class { getValue() { return java('2026-11-22 10:15:00'); } },
};
if (scoped) {
  gs.base64Encode = base64Encode;
  platform.CertificateEncryption = Mac;
} else {
  platform.GlideStringUtil = { base64Encode };
  platform.GlideCertificateEncryption = Mac;
}
vm.runInNewContext(fs.readFileSync(process.argv[2], 'utf8'), platform, { filename: process.argv[2] });
console.log(JSON.stringify(found));
