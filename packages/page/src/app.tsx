/** The whole page. */
export function App() {
  return (
    <header class="top">
      <h1>Darkroom</h1>
    </header>
  );
}
