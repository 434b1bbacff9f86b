async function start() {
  const S = await scores();
  await Promise.all([...document.querySelectorAll(".date img")].map((image) => image.decode()));
  $("drawn").remove();
  document.documentElement.classList.add("live");
  const view = makeView(), layers = makeLayers(S, view);
  makePlace(S, view);
  makeThreshold(S);
  makeKinds();
  makeKeys(view, makeObjects(S, view, layers));
  recall();
}
start();
