using Vmm.Machine.Config;

namespace Vmm.Machine.Tests.Config;

public class OptionTextTests
{
    private readonly List<ConfigError> _errors = [];

    [Fact]
    public void Take_KeyWithValue_GivesTheValueOnce()
    {
        OptionText keys = new("disk[0]", "path=/a=b,format=raw", _errors);

        Assert.Equal(("/a=b", "raw", null), (keys.Take("path"), keys.Take("format"), keys.Take("path")));
        keys.Finish();
        Assert.Empty(_errors);
    }

    [Fact]
    public void Take_TwoCommas_AreOneInTheValue()
    {
        OptionText keys = new("disk[0]", "path=a,,b,,,serial=,,", _errors);

        Assert.Equal(("a,b,", ","), (keys.Take("path"), keys.Take("serial")));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("readonly", true)]
    [InlineData("readonly=on", true)]
    [InlineData("readonly=off", false)]
    public void TakeSwitch_EveryForm_IsRead(string text, bool expected)
    {
        OptionText keys = new("disk[0]", text, _errors);

        Assert.Equal(expected, keys.TakeSwitch("readonly"));
        keys.Finish();
        Assert.Empty(_errors);
    }

    [Theory]
    [InlineData("readonly=maybe", "disk[0].readonly: 'maybe' is neither on nor off")]
    [InlineData("readonly=on,readonly=on", "disk[0].readonly: is given more than once")]
    [InlineData("number=0", "disk[0].number: '0' is not a number from 1 to 8")]
    [InlineData("number=9999999999999999999999", "disk[0].number: '9999999999999999999999' is not a number from 1 to 8")]
    [InlineData("number", "disk[0].number: has no value: number=…")]
    [InlineData("size=1X", "disk[0].size: '1X' is no size; 512M or 2G would be")]
    [InlineData("choice=c", "disk[0].choice: 'c' is none of a, b")]
    [InlineData("redonly", "disk[0]: there is no key 'redonly'; did you mean 'readonly'? Keys: readonly, number, size, choice")]
    [InlineData("size=1,,", "disk[0].size: '1,' is no size; 512M or 2G would be")]
    [InlineData("=1", "disk[0]: an empty key")]
    public void Take_BadInput_SaysWhatIsWrong(string text, string expected)
    {
        OptionText keys = new("disk[0]", text, _errors);

        keys.TakeSwitch("readonly");
        keys.TakeNumber("number", 1, 1, 8);
        keys.TakeSize("size");
        keys.TakeChoice("choice", ("a", 1), ("b", 2));
        keys.Finish();

        Assert.Equal(expected, Assert.Single(_errors).ToString());
    }

    [Fact]
    public void TakeKind_UnknownWord_NamesTheKinds()
    {
        OptionText keys = new("net[0]", "tup,mtu=1", _errors);

        Assert.Null(keys.TakeKind("user", "tap"));
        Assert.Equal("net[0]: begins with one of user, tap, not with 'tup'", Assert.Single(_errors).ToString());
        Assert.Equal("1", keys.Take("mtu"));
    }

    [Fact]
    public void Constructor_ThousandsOfKeys_AreRefusedInOneLine()
    {
        OptionText keys = new("disk[0]", string.Join(',', Enumerable.Range(0, 100_000)), _errors);

        keys.Finish();
        Assert.Equal("disk[0]: more than 64 keys", Assert.Single(_errors).ToString());
    }
}
