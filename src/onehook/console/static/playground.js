// The playground's editors. Without script their textareas are used as they are.
import { EditorState } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { yaml } from "@codemirror/lang-yaml";
import { tags } from "@lezer/highlight";

const form = document.getElementById("playground");

const theme = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "inherit" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--quiet)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--info) 8%, transparent)" },
  ".cm-cursor": { borderLeftColor: "currentColor" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--info) 25%, transparent) !important" },
  ".cm-tooltip": { backgroundColor: "var(--tblr-bg-surface)", color: "inherit", borderColor: "var(--tblr-border-color)" },
});
const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--info)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--good)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
]);

// Typing over a selection: the browser would keep the style of what goes, as an inline style that
// our policy refuses and reports. So the editor does it.
const typeOver = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== "insertText" || event.data == null || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type" });
    return true;
  },
});

function edit(textarea) {
  const label = document.querySelector(`label[for="${textarea.id}"]`);
  const holder = document.createElement("div");
  holder.className = "editor";
  const view = new EditorView({
    parent: holder,
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        lineNumbers(), history(), drawSelection(), highlightActiveLine(), indentOnInput(), bracketMatching(),
        lintGutter(), yaml(), typeOver, syntaxHighlighting(colours), theme, EditorView.lineWrapping,
        EditorView.cspNonce.of(form.dataset.nonce),
        EditorView.contentAttributes.of({ "aria-label": label.textContent, tabindex: "0", id: `${textarea.id}-editor` }),
        // Tab stays with the browser: who uses the keyboard must be able to leave.
        keymap.of([...defaultKeymap, ...historyKeymap]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          textarea.value = update.state.doc.toString();
          textarea.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  textarea.hidden = true;
  textarea.after(holder);
  label.addEventListener("click", () => view.focus());
  return view;
}

const mapping = edit(document.getElementById("p-mapping"));
edit(document.getElementById("p-body"));

function showProblems() {
  const doc = mapping.state.doc;
  const found = [...document.querySelectorAll("#outcome .problem[data-line]")].flatMap((problem) => {
    const number = Number(problem.dataset.line);
    if (number < 1 || number > doc.lines) return [];
    const line = doc.line(number);
    const from = Math.min(line.from + Number(problem.dataset.column) - 1, line.to);
    return [{ from, to: Math.max(from, line.to), severity: problem.dataset.severity, message: problem.dataset.message }];
  });
  mapping.dispatch(setDiagnostics(mapping.state, found));
}

showProblems();
document.addEventListener("htmx:after:swap", showProblems);
