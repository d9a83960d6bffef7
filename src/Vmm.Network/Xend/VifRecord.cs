namespace Vmm.Network.Xend;
public sealed record VifRecord;
