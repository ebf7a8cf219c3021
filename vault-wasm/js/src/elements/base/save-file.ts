/** Hands bytes to the person as a download. */
export function saveFile(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by then; revoking at once breaks some.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
