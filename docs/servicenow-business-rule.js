// onehook: tells the gateway of each insert, update and delete in the table of this Business Rule.
//
// When: after. Insert, Update, Delete. Advanced. Needs the system properties onehook.url and
// onehook.secret. ES5, for the global scope and for scoped applications.
// How to install it: docs/servicenow-business-rule.md
(function onehook(current, previous) {
  var JOURNALS = { comments: true, work_notes: true };

  function text(value) {
    return value === null || value === undefined ? '' : String(value);
  }

  // A Java list in the global scope, an array in a scoped application.
  function elementsOf(record) {
    var list = record.getElements();
    var count = list.size ? list.size() : list.length;
    var found = [];
    for (var at = 0; at < count; at++) {
      found.push(list.get ? list.get(at) : list[at]);
    }
    return found;
  }

  // The newest entry without its first line, which says when and who.
  function newestEntry(element) {
    return text(element.getJournalEntry(1)).replace(/^[^\n]*\n/, '').replace(/^\s+|\s+$/g, '');
  }

  // What the record says, column by column.
  function describe(operation) {
    var said = { record: {}, changed_fields: [], previous: {}, display: {}, journal: {} };
    elementsOf(current).forEach(function (element) {
      var name = text(element.getName());
      var isNew = operation !== 'delete' && element.changes();
      said.record[name] = text(current.getValue(name));
      said.display[name] = text(current.getDisplayValue(name));
      if (isNew && operation === 'update') { // of an insert everything is new
        said.changed_fields.push(name);
        said.previous[name] = text(previous.getValue(name));
      }
      if (isNew && JOURNALS[name] && newestEntry(element)) { // the column itself is empty
        said.journal[name] = newestEntry(element);
      }
    });
    return said;
  }

  function message() {
    var operation = text(current.operation());
    var said = describe(operation);
    said.table = text(current.getTableName());
    said.operation = operation;
    said.actor = {
      sys_id: text(gs.getUserID()),
      user_name: text(gs.getUserName()),
      name: text(gs.getUserDisplayName())
    };
    said.sent_at = text(new GlideDateTime().getValue()); // UTC
    said.delivery_id = text(gs.generateGUID());
    return said;
  }

  // Only ASCII leaves: what is signed and what is sent cannot differ by a character set.
  function ascii(json) {
    return json.replace(/[\u007f-\uffff]/g, function (character) {
      return '\\u' + ('000' + character.charCodeAt(0).toString(16)).slice(-4);
    });
  }

  // Base64 of the HMAC-SHA256 of *body*. The platform wants the key in base64, and decodes it.
  function signature(body, secret) {
    var key = gs.base64Encode ? gs.base64Encode(secret) : GlideStringUtil.base64Encode(secret);
    var signer = typeof CertificateEncryption === 'undefined'
      ? new GlideCertificateEncryption() // the global scope
      : new CertificateEncryption();
    return text(signer.generateMac(key, 'HmacSHA256', body));
  }

  function send(url, secret) {
    var body = ascii(JSON.stringify(message()));
    var request = new sn_ws.RESTMessageV2();
    request.setEndpoint(url);
    request.setHttpMethod('post');
    request.setRequestHeader('Content-Type', 'application/json');
    request.setRequestHeader('X-ServiceNow-Signature', signature(body, secret));
    request.setRequestBody(body);
    request.setHttpTimeout(10000);
    request.executeAsync(); // whoever saved the record does not wait
  }

  var url = text(gs.getProperty('onehook.url'));
  var secret = text(gs.getProperty('onehook.secret'));
  if (!url || !secret) {
    gs.warn('onehook: set the system properties onehook.url and onehook.secret');
    return;
  }
  try {
    send(url, secret);
  } catch (error) { // a save never fails because of the gateway
    gs.error('onehook: not sent: ' + error);
  }
})(current, previous);
