namespace Vmm.Storage.Vhd;

/// <summary>A VHD disk of any kind.</summary>
internal interface IVhdImage
{
    VhdFooter Footer { get; }
}
