/** Dialogues: the focus goes to their heading, and afterwards back to where it was. */

/** Open `dialog` over the page; Escape and a click beside it close it. */
export function openDialogue(dialog) {
  const before = document.activeElement;
  dialog.returnValue = "";
  dialog.showModal();
  dialog.querySelector("h2").focus();
  const beside = (event) => event.target === dialog && dialog.close("cancel");
  dialog.addEventListener("mousedown", beside);
  dialog.addEventListener("close", () => {
    dialog.removeEventListener("mousedown", beside);
    // What opened it may be gone by now: an alarm that was acknowledged and is over.
    if (!before?.isConnected || before === document.body) document.getElementById("alarms-title").focus();
    else before.focus();
  }, { once: true });
}
